"""``glc predict``: its table, its JSON and what it refuses, with a small model in memory."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from glc.cli import runs
from glc.cli.commands import app
from glc.errors import ConfigError
from tests.fitted.small_model import SmallModel

PLACE = ("--lon", "4.1", "--lat", "44.2")


@pytest.fixture
def glc(tmp_path, monkeypatch):
    """What ``glc predict small`` prints, from a model's folder with a small model."""

    def run(*words, **options):
        monkeypatch.setattr("glc.load", lambda folder, imagery_folder="": SmallModel(**options))
        (tmp_path / "model.json").write_text("{}")
        result = CliRunner().invoke(app, ["predict", str(tmp_path), *words])
        if result.exception:
            raise result.exception
        return result.stdout

    return run


def test_json_has_the_species_and_the_facts_of_the_place(glc):
    facts = json.loads(glc(*PLACE, "--json", "--top", "4"))
    assert next(iter(facts)) == "species"
    assert [set(species) for species in facts["species"]] == [{"id", "name", "probability", "predicted"}] * 4
    assert [species["predicted"] for species in facts["species"]] == [True, True, True, False]
    assert [species["probability"] for species in facts["species"]] == sorted(
        (species["probability"] for species in facts["species"]), reverse=True
    )
    assert facts["species"][0] == {
        "id": 30,
        "name": None,
        "probability": pytest.approx(0.449, abs=1e-3),
        "predicted": True,
    }
    assert facts["species"][1]["name"] == f"Planta {facts['species'][1]['id']}"
    assert (facts["lon"], facts["lat"], facts["date"]) == (4.1, 44.2, None)
    assert facts["expected_species"] > 1
    assert facts["distance_to_training_m"] == pytest.approx(22_000, rel=0.02)
    assert facts["dissimilarity"] is facts["inside"] is None
    assert facts["missing"] == []
    assert facts["problem"] is None
    assert facts["relative"] is False
    assert "nearest" not in facts


def test_the_table_names_species_and_says_which_are_in_the_set(glc):
    text = glc(*PLACE)
    assert text.startswith("small on nowhere at 4.1° E, 44.2° N")
    assert "nearest survey      22." in text
    assert "predicted set       3 species" in text
    rows = [line.split() for line in text.splitlines() if line.strip() and line.split()[0].isdigit()]
    assert len(rows) == 25
    assert [row[-1] == "yes" for row in rows] == [True] * 3 + [False] * 22
    assert "Planta 31" in text


def test_negative_coordinates_are_numbers_and_no_options(glc):
    facts = json.loads(glc("--lon", "-1.5", "--lat", "-44.5", "--json"))
    assert (facts["lon"], facts["lat"]) == (-1.5, -44.5)
    assert json.loads(glc("--lon=-1.5", "--lat=43", "--json"))["lon"] == -1.5
    assert "1.5° W, 44.5° S" in glc("--lon", "-1.5", "--lat", "-44.5")


def test_relative_suitability_has_no_set_and_no_number(glc):
    text = glc(*PLACE, relative=True)
    assert "relative suitability" in text
    assert "expected species" not in text
    assert "in the set" not in text
    facts = json.loads(glc(*PLACE, "--json", relative=True))
    assert facts["expected_species"] is None
    assert {species["predicted"] for species in facts["species"]} == {None}
    assert facts["relative"] is True


def test_places_at_sea_and_missing_inputs_are_noted(glc):
    assert "note                at sea" in glc("--lon", "-30", "--lat", "40")
    assert "missing inputs      warmth" in glc("--lon", "4", "--lat", "51", "--allow-missing")


def test_a_place_outside_what_was_learned_is_marked(glc):
    inside, outside = (json.loads(glc("--lon", lon, "--lat", "44", "--json", trusted=True)) for lon in ("4", "40"))
    assert (inside["inside"], inside["dissimilarity"], inside["expected_f1"]) == (True, 0, 0.4)
    assert (outside["inside"], outside["dissimilarity"], outside["expected_f1"]) == (False, 1.5, 0.1)
    assert "OUTSIDE what was learned (dissimilarity 1.50)" in glc("--lon", "40", "--lat", "44", trusted=True)
    assert "expected F1         0.40" in glc("--lon", "4", "--lat", "44", trusted=True)
    assert "expected F1" not in glc("--lon", "4", "--lat", "44")


def test_an_explanation_has_the_neighbours_and_each_inputs_share(glc):
    text = glc(*PLACE, "--explain")
    assert "Nearest training surveys" in text
    (left_out,) = [line for line in text.splitlines() if line.startswith("warmth")]
    (all_there,) = [line for line in text.splitlines() if line.startswith("nothing")]
    assert float(left_out.split()[1]) < float(all_there.split()[1])
    facts = json.loads(glc(*PLACE, "--explain", "--json"))
    assert len(facts["nearest"]) == 5
    assert facts["nearest"][0]["distance_m"] < facts["nearest"][4]["distance_m"]
    assert set(facts["nearest"][0]["shared"][0]) == {"id", "name"}
    assert facts["inputs"][0]["input"] == "warmth"
    assert [species["id"] for species in facts["inputs"][0]["species"]] == [
        species["id"] for species in facts["species"][:5]
    ]
    assert not glc(*PLACE, "--explain", "--json").startswith("small")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "found neither, expected --lon and --lat"),
        (("--lon", "3"), "found --lon, expected --lon and --lat"),
        (("--lon", "200", "--lat", "44"), "outside|found lon 200"),
        (("--lon", "nan", "--lat", "44"), "lon: found nothing"),
        ((*PLACE, "--date", "May"), "--date: found 'May', expected YYYY-MM-DD or a year"),
        ((*PLACE, "--places", "a.csv"), "found --places and --lon"),
        (("--places", "a.csv", "--json"), "found --places and --json"),
    ],
)
def test_what_cannot_be_predicted_is_refused(glc, words, message):
    with pytest.raises(ConfigError, match=message):
        glc(*words)


def test_a_file_of_places_is_handed_to_luigi(monkeypatch):
    handed = []
    monkeypatch.setattr(runs, "luigi", lambda task, options, more, verbose: handed.append((task, options, more)))
    result = CliRunner().invoke(
        app, ["predict", "votes", "--dataset", "virtual:tiny", "--places", "a.csv", "--top", "9", "--allow-missing"]
    )
    assert result.exit_code == 0, result.output
    ((task, options, more),) = handed
    assert task == "Predict"
    given = {name: value for name, value in options.items() if value}
    assert given == {"experiment": "votes", "dataset": "virtual:tiny", "places": "a.csv", "top": "9"}
    assert more == ["--allow-missing"]


def test_a_place_needs_neither_luigi_nor_spark_nor_torch():
    code = (
        "import sys; from glc.cli import model_folder, predict; from glc.fitted import predictions, place_explanation;"
        "print([name for name in ('luigi', 'pyspark', 'torch', 'pyogrio', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
