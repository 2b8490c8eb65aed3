"""What one experiment takes from another it does not repeat."""

import itertools
import tomllib

import pytest

from glc import config
from glc.config.variant import to_toml

MEMBERS = ("model", "pretrain", "decode", "postprocess")


def _settings(values, above=""):
    """(dotted key, value) as a TOML has them; which model it is, and what describes the file, is no setting."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{above}{key}.")
        elif above + key not in ("base", "description", "model", "model.name"):
            name = f"{key}.name" if key in MEMBERS and isinstance(value, str) else key
            yield f"{above}{name}", to_toml(value)


def _name(choice):
    return choice.get("name") if isinstance(choice, dict) else choice


def _shared(texts):
    """Pairs of files and the settings they share, of those that share three or more."""
    written = {name: set(_settings(tomllib.loads(text))) for name, text in texts.items()}
    pairs = ((one, other, written[one] & written[other]) for one, other in itertools.combinations(written, 2))
    return [(one, other, sorted(equal)) for one, other, equal in pairs if len(equal) >= 3]


def test_no_two_experiments_write_three_equal_settings():
    texts = {name: config.experiment_path(name).read_text() for name in config.experiment_names()}
    shared = _shared(texts)
    assert not shared, "; ".join(f"{one} and {other} both write {equal}: use base" for one, other, equal in shared)


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ('model = "votes"\ndecode = "all"\ntrain = { seed = 1, gamma = 0.5 }', 'decode = { name = "all" }', 1),
        (
            'decode = "all"\ntrain = { seed = 1, gamma = 0.5 }',
            'decode = { name = "all" }\n[train]\nseed = 1\ngamma = 0.5',
            3,
        ),
        ("inputs = [{tiles = 'a', size = 4}]\npo = {}", "[[inputs]]\ntiles = 'a'\nsize = 4", 1),
        ("train = { seed = 1, patience = 1, gamma = 1.0 }", "train = { seed = 2, patience = 2, gamma = 0.5 }", 0),
    ],
)
def test_equal_settings_are_counted_however_they_are_written(first, second, equal):
    found = _shared({"one": first, "other": second})
    assert len(found) == (equal >= 3)
    assert len(set(_settings(tomllib.loads(first))) & set(_settings(tomllib.loads(second)))) == equal


@pytest.mark.parametrize("name", config.experiment_names())
def test_no_experiment_repeats_what_its_base_says(name):
    base = config.base_of(name)
    if base is not None:
        known, written = config.read(base), tomllib.loads(config.experiment_path(name).read_text())
        for member in MEMBERS:  # one of another name brings none of the base's options, so they have to be said again
            if _name(written.get(member)) not in (None, _name(known.get(member))):
                known.pop(member, None)
        repeated = sorted(set(_settings(written)) & set(_settings(known)))
        assert not repeated, f"{name} repeats of {base}: {repeated}"
