"""The task `Predict`: a file of places, from the command to its stable path."""

import shutil

import pandas as pd
import pytest
from numpy.testing import assert_allclose

import glc
from glc.errors import ConfigError, DataError
from glc.tasks import FolderPredict, Predict
from tests.tasks.pipeline import TINY, run

VOTES = "votes+validation.count=4+validation.run=2"


def predict(root, path, **options):
    return Predict(root=str(root), dataset=TINY, experiment=VOTES, places=str(path), **options)


def test_a_file_of_places_is_predicted_as_by_the_fitted_experiment(root, tmp_path):
    path = tmp_path / "my plots.csv"
    path.write_text("plot;lat;lon;date\na;43.6;3.9;2021\nb;47.1;8.2;\nc;;5;\nd;40;-30;\n")
    task = predict(root, path, top=7)
    run(task)
    (target,) = task.published()
    assert (
        target.path
        == task.model.model_folder.parents[2]
        / "predictions"
        / "virtual-tiny"
        / (task.model.model_folder.name)
        / "my%20plots.parquet"
    )
    table = pd.read_parquet(target.path)
    assert list(table["plot"]) == ["a", "b", "c", "d"]
    fitted = glc.load(task.model.model_folder)
    rows = [0, 1, 3]
    wanted = fitted.predict(table["lon"].iloc[rows], table["lat"].iloc[rows], date=["2021", None, None], most=7)
    for row, (_, expected) in zip(rows, wanted.iterrows(), strict=True):
        got = table.iloc[row]
        assert list(got["species"]) == list(expected["species"])
        assert_allclose(got["probability"], expected["probability"], rtol=1e-5)
        assert list(got["predicted"]) == list(expected["predicted"])
        assert got["expected_species"] == pytest.approx(expected["expected_species"])
        assert got["distance_to_training_m"] == pytest.approx(expected["distance_to_training_m"])
        assert got["missing"] == expected["missing"]
    assert table["species"].iloc[2] is None
    problems = table["problem"].astype(object).where(table["problem"].notna(), None)
    assert list(problems) == [None, None, "lat: found nothing, expected a number of degrees", "at sea"]
    text = "\n".join(task.results())
    assert "3 of 4 places predicted" in text
    assert "1 of 4 places: not a number; no predictions (row 3" in text
    assert str(target.path) in text
    # the folder of the model alone, as on another machine, gives the same table
    copied = shutil.copytree(task.model.model_folder, tmp_path / "copied")
    elsewhere = FolderPredict(root=str(tmp_path / "elsewhere"), model=str(copied), places=str(path), top=7)
    assert run(elsewhere) == ["FolderPredict"]
    place = target.path.relative_to(task.model.model_folder.parents[2])
    assert elsewhere.published()[0].path == tmp_path / "elsewhere" / place
    pd.testing.assert_frame_equal(pd.read_parquet(elsewhere.published()[0].path), table)
    assert run(predict(root, path, top=7)) == []
    path.write_text("plot;lat;lon\na;43.6;3.9\n")
    assert run(predict(root, path, top=7)) == ["Predict"]
    assert len(pd.read_parquet(target.path)) == 1


def test_a_file_that_cannot_be_used_is_refused_before_the_model_is_fitted(empty_root, tmp_path):
    path = tmp_path / "a.csv"
    for text, message in (
        ("lon,lon,lat\n1,1,2\n", "column 'lon' is there 2 times"),
        ("lon,latitude\n1,2\n", "did you mean 'latitude'"),
        ("lon,lat\n43.6,103.9\n", "swapped"),
        ("lon,lat\n", "no places"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            predict(empty_root, path).check()


def test_files_and_numbers_that_are_not_there_are_refused_by_option(empty_root, tmp_path):
    with pytest.raises(ConfigError, match=r"--places .*no such file"):
        predict(empty_root, tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="--places: found nothing"):
        predict(empty_root, "")
    (tmp_path / "a.csv").write_text("lon,lat\n1,2\n")
    with pytest.raises(ConfigError, match="--top: found 0, expected at least 1"):
        predict(empty_root, tmp_path / "a.csv", top=0)


def test_identity_follows_from_the_file_and_what_is_listed(empty_root, tmp_path):
    (tmp_path / "a.csv").write_text("lon,lat\n1,2\n")
    (tmp_path / "b.csv").write_text("lon,lat\n1,3\n")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.csv").write_text("lon,lat\n1,2\n")
    first = predict(empty_root, tmp_path / "a.csv")
    assert predict(empty_root, tmp_path / "c" / "a.csv").identity == first.identity
    others = [predict(empty_root, tmp_path / "b.csv"), predict(empty_root, tmp_path / "a.csv", top=3)]
    assert first.identity not in {task.identity for task in others}


def test_a_folder_that_holds_no_model_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("lon,lat\n3.9,43.6\n")
    task = FolderPredict(root=str(tmp_path / "out"), model=str(tmp_path), places=str(tmp_path / "a.csv"))
    with pytest.raises(ConfigError, match=r"no fitted experiment \(model\.json is missing\)"):
        task.content()
