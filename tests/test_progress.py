"""Bars: reported to a listener, silent where nobody looks."""

import pytest

from glc.progress import tqdm


def test_a_listener_gets_what_how_much_and_the_total(reports, capsys):
    for _ in tqdm(range(3), desc="rows", mininterval=0):
        pass
    assert reports[0] == ("rows", 0, 3)
    assert reports[-1] == ("rows", 3, 3)
    assert capsys.readouterr() == ("", "")


def test_a_total_may_be_unknown(reports):
    with tqdm(desc="walks", mininterval=0) as bar:
        bar.update(5)
    assert reports[-1] == ("walks", 5, None)


def test_a_disabled_bar_reports_nothing(reports):
    list(tqdm(range(3), disable=True))
    assert reports == []


@pytest.mark.parametrize("terminal", [False, True])
def test_bars_are_drawn_only_on_a_terminal(terminal, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert list(tqdm(range(3), desc="rows")) == [0, 1, 2]
    assert ("rows: 100%" in capsys.readouterr().err) == terminal
