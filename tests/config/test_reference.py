"""The schema and the option reference say what the code does."""

import json
import tomllib

import jsonschema
import pytest

from glc import config, registry
from glc.config import reference

SCHEMA = json.loads(reference.SCHEMA.read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TOMLS = sorted((config.CONF / "experiments").glob("*.toml"))


def test_the_schema_and_the_reference_are_those_of_the_code():
    for path, text in reference.texts().items():
        assert path.read_text() == text, f"{path} is stale; run: make options"


@pytest.mark.parametrize("path", TOMLS, ids=lambda path: path.stem)
def test_every_experiment_names_the_schema_and_fits_it(path):
    text = path.read_text()
    assert text.splitlines()[0] == "#:schema ../experiment.schema.json"
    assert (path.parent / "../experiment.schema.json").resolve() == reference.SCHEMA.resolve()
    VALIDATOR.validate(tomllib.loads(text))


@pytest.mark.parametrize("name", config.experiment_names())
def test_a_resolved_experiment_fits_the_schema(name):
    VALIDATOR.validate(config.read(name))


@pytest.mark.parametrize(
    "text",
    [
        'model = "vote"',
        'model = "stack"',
        "validation = { run = 3 }",
        'model = "votes"\nvalidaton = { run = 3 }',
        'model = "votes"\nvalidation = { run = "3" }',
        'model = "votes"\nvalidation = { run = true }',
        'model = "votes"\nvalidation = { count = 1 }',
        'model = "votes"\nvalidation = { scheme = "quadrat" }',
        'model = "votes"\nname = "mine"',
        'model = { name = "votes", prior = 0 }',
        'model = { name = "votes", priors = 3 }',
        'model = { name = "votes", scales_m = [] }',
        'model = { name = "node2vec", walks = { dim = 0 } }',
        'model = "geolocation"\ntrain = { loss = { name = "asl", gama = 1 } }',
        'model = "geolocation"\n[[inputs]]\nlocation = { name = "encoder", file = "a" }',
        'model = "geolocation"\n[[inputs]]\nlocation = "encodr"',
        'model = "inception"\npredict = { dropout = 1 }',
        'model = "inception"\npredict = { dropped = true }',
        'base = "votes"\nmodel = { priors = 3 }',
    ],
)
def test_the_schema_refuses_what_loading_refuses(text):
    assert not VALIDATOR.is_valid(tomllib.loads(text))


def test_a_base_needs_no_model_and_takes_changed_options():
    VALIDATOR.validate({"base": "votes", "model": {"prior": 3}, "validation": {"run": 1}})


def test_the_reference_has_every_member_and_every_key_with_its_bound():
    page = reference.page()
    for kind in reference.KINDS:
        for name in getattr(registry, kind).choices():
            assert f"### `{name}`\n" in page
    assert "| `radius_m` | number | `3000` | above 0 and at most 50,000 | Radius of a pseudo-survey, metres. |" in page
    assert "| `sources` | list of text | `[\"train\"]` | 1 or more values, each one of 'train', 'po' |" in page
    assert "| `waves` | integer | `16` | at least 1 | Plane waves of each wavelength" in page  # an inherited key
    assert "### `[[inputs]]`" in page
    assert "Of `train.loss`.\n" in page
