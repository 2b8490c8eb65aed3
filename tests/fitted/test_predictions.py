"""Predictions at places: of a block against a model known by heart, and of a file, block by block."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from glc.errors import DataError
from glc.fitted import place_checks, predictions
from glc.fitted.places_file import open_places
from glc.prediction import ranking
from tests.fitted.small_model import SPECIES, SmallModel


def predicted(fitted, frame, tmp_path, rows=4, name="a.parquet", **options):
    """The predictions of a frame of places, written as a file and read back, and the facts."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / name
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    places = open_places(path)
    known = place_checks.summarise(places, rows)
    out, parts = tmp_path / "out.parquet", tmp_path / "parts"
    facts = predictions.write(fitted, places, known, out, parts=parts, rows=rows, **options)
    return pq.read_table(out), facts


def near(n, **columns):
    return pd.DataFrame({"lon": np.linspace(0, 8, n), "lat": 44.0, **columns})


def test_every_row_is_predicted_in_its_order_with_its_columns(tmp_path):
    frame = near(10, plot=[f"p{row}" for row in range(10)])
    table, facts = predicted(SmallModel(), frame, tmp_path, listed=5)
    assert table.column_names == ["lon", "lat", "plot", *predictions.COLUMNS.names]
    assert table["plot"].to_pylist() == frame["plot"].tolist()
    best = [species[0] for species in table["species"].to_pylist()]
    nearest = SPECIES[np.abs(np.linspace(0, 8, 40) - frame["lon"].to_numpy()[:, None]).argmin(axis=1)]
    assert best == nearest.tolist()
    for row in table.to_pylist():
        assert len(row["species"]) == len(row["probability"]) == 5
        assert row["probability"] == sorted(row["probability"], reverse=True)
        assert row["predicted"] == row["species"][:3]
        assert row["expected_species"] > sum(row["probability"])
        assert row["dissimilarity"] is None
        assert row["inside"] is None
        assert row["missing"] == ""
        assert row["problem"] is None
    assert facts == {"places": 10, "predicted": 10, "problems": {}, "inside": 0, "missing_inputs": 0}


def test_blocks_do_not_change_the_result(tmp_path):
    frame = near(23)
    whole, _ = predicted(SmallModel(), frame, tmp_path / "a", rows=100)
    for rows in (1, 5, 23):
        assert predicted(SmallModel(), frame, tmp_path / str(rows), rows=rows)[0].equals(whole)


def test_rows_that_cannot_be_used_are_there_with_nulls(tmp_path):
    frame = pd.DataFrame({"lon": ["1", "x", "500", "-30", "2"], "lat": ["44", "44", "44", "40", "55"]})
    table, facts = predicted(SmallModel(), frame, tmp_path, rows=2, name="a.csv")
    assert [value is None for value in table["species"].to_pylist()] == [False, True, True, False, False]
    rows = table.to_pylist()
    for row in rows[1:3]:
        assert all(row[name] is None for name in predictions.COLUMNS.names[:-1])
    assert [row["problem"] for row in rows][:2] == [None, "lon: found 'x', expected a number of degrees"]
    assert "outside" in str(facts["problems"])
    assert rows[3]["problem"] == "at sea"
    assert rows[4]["missing"] == "warmth"
    assert table["lon"].to_pylist() == [1, None, 500, -30, 2]
    assert facts["predicted"] == 3
    assert facts["missing_inputs"] == 1


def test_a_block_without_a_usable_place_has_nulls_alone(tmp_path):
    frame = pd.DataFrame({"lon": ["x", "y", "1"], "lat": ["1", "2", "44"]})
    table, _ = predicted(SmallModel(), frame, tmp_path, rows=2, name="a.csv")
    assert [value is None for value in table["species"].to_pylist()] == [True, True, False]


def test_what_is_known_of_applicability_is_there(tmp_path):
    frame = pd.DataFrame({"lon": [4.0, 30.0], "lat": [44.0, 50.0]})
    table, facts = predicted(SmallModel(trusted=True), frame, tmp_path)
    assert table["inside"].to_pylist() == [True, False]
    assert table["dissimilarity"].to_pylist() == [0, 1.5]
    assert facts["inside"] == 1


def test_imagery_that_is_missing_in_the_whole_file_is_refused_and_in_one_block_is_not(tmp_path):
    north = pd.DataFrame({"lon": 4.0, "lat": [55.0] * 5})
    with pytest.raises(DataError, match="--allow-missing"):
        predicted(SmallModel(), north, tmp_path / "all")
    assert not (tmp_path / "all" / "parts").exists()
    table, _ = predicted(SmallModel(), north, tmp_path / "allowed", allow_missing=True)
    assert table["missing"].to_pylist() == ["warmth"] * 5
    mixed = pd.concat([north, near(1)])
    table, facts = predicted(SmallModel(), mixed, tmp_path / "some")
    assert table["missing"].to_pylist() == [*["warmth"] * 5, ""]
    assert facts["missing_inputs"] == 5


def test_relative_suitability_has_neither_sets_nor_numbers(tmp_path):
    table, _ = predicted(SmallModel(relative=True), near(3), tmp_path)
    assert table["predicted"].null_count == table["expected_species"].null_count == 3
    assert table["species"].null_count == 0


def test_the_whole_set_is_listed_and_no_more_than_asked_for(tmp_path):
    fitted = SmallModel(listed_sizes=7)
    for listed, expected in ((1, 7), (9, 9), (100, 40)):
        table, _ = predicted(fitted, near(2), tmp_path / str(listed), listed=listed)
        assert [len(species) for species in table["species"].to_pylist()] == [expected, expected]
        assert [len(species) for species in table["predicted"].to_pylist()] == [7, 7]


def test_an_interrupted_run_continues_with_the_blocks_that_are_not_there(tmp_path):
    class Interrupted(SmallModel):
        def scores(self, places, values=None, fold=None):
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().scores(places, values, fold)

    frame = near(10)
    with pytest.raises(KeyboardInterrupt):
        predicted(Interrupted(), frame, tmp_path)
    assert len(list((tmp_path / "parts").glob("part-*.parquet"))) == 2
    assert not (tmp_path / "out.parquet").exists()
    later = SmallModel()
    table, _ = predicted(later, frame, tmp_path)
    assert later.asked == [2]
    assert table.equals(predicted(SmallModel(), frame, tmp_path / "new")[0])


def test_progress_is_reported_by_places(tmp_path, reports):
    predicted(SmallModel(), near(10), tmp_path)
    assert ("predicting", 10, 10) in reports


def test_exchanged_coordinates_are_refused_before_anything_is_scored(tmp_path):
    fitted = SmallModel()
    with pytest.raises(DataError, match="swapped"):
        predicted(fitted, near(3).rename(columns={"lon": "lat", "lat": "lon"}), tmp_path)
    assert fitted.asked == []


def test_the_best_are_ranked_with_ties_by_column_and_members_of_the_set_added():
    scores = sparse.csr_matrix(np.array([[0.2, 0.9, 0.9, 0.0, 0.2], [0, 0, 0, 0, 0.1]], np.float32))
    sets = sparse.csr_matrix(np.array([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool))
    row, column, score, member = ranking.best(ranking.rank(scores), sets, listed=3)
    assert row.tolist() == [0, 0, 0, 0, 1]
    assert column.tolist() == [1, 2, 0, 3, 4]
    assert score.tolist() == pytest.approx([0.9, 0.9, 0.2, 0, 0.1])
    assert member.tolist() == [True, False, False, True, False]


@pytest.mark.parametrize("listed", [1, 3, 50])
def test_the_best_equal_a_full_sort(listed):
    rng = np.random.default_rng(0)
    dense = np.round(rng.random((30, 40)), 1).astype(np.float32)  # with ties and zeros
    row, column, _, _ = ranking.best(ranking.rank(sparse.csr_matrix(dense), rows=7), None, listed)
    for number in range(30):
        order = [c for c in np.argsort(-dense[number], kind="stable") if dense[number, c] > 0]
        assert column[row == number].tolist() == order[:listed]


def test_a_table_has_the_schema_that_is_promised(tmp_path):
    table, _ = predicted(SmallModel(), near(3), tmp_path)
    for field in predictions.COLUMNS:
        assert table.schema.field(field.name).type == field.type
    assert isinstance(table, pa.Table)
