"""Fixtures of the tests of tasks and commands."""

import logging

import pytest
from luigi.retcodes import run_with_retcodes

import glc.tasks  # noqa: F401 - commands name its tasks
from glc.errors import GlcError
from glc.report import figures
from tests.helpers import laid_out


@pytest.fixture(scope="module", autouse=True)
def _figures(request):
    """In `make test` figures of reports are laid out and not drawn; tests/report draws them, `make test-all` too."""
    drawing = figures._inline
    with pytest.MonkeyPatch.context() as patch:
        if request.config.getoption("markexpr") == "not slow":
            patch.setattr(figures, "_inline", laid_out)
        yield drawing


@pytest.fixture
def drawn(_figures, monkeypatch):
    """Figures are drawn in `make test`, too."""
    monkeypatch.setattr(figures, "_inline", _figures)


@pytest.fixture
def refused(tmp_path, monkeypatch, caplog):
    """Run a Luigi command that is refused; its message, of one line. Nothing is written."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)

    def run(*command, code=40):
        words = [*command] if "--root" in command else [*command, "--root", str(tmp_path / "out")]
        with caplog.at_level(logging.ERROR), pytest.raises(SystemExit) as end:
            run_with_retcodes(words)
        assert end.value.code == code, caplog.text
        error = caplog.records[-1].exc_info[1]
        assert isinstance(error, GlcError), caplog.text
        assert not (tmp_path / "out").exists()
        assert "\n" not in str(error)
        return str(error)

    return run
