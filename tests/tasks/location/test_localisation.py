"""Geo-localisation as Luigi tasks, on a small raster: from nothing, and with encoders that are there."""

import luigi
import pandas as pd
import pytest

from glc import storage
from glc.errors import ConfigError
from glc.tasks.location.localisation import LocatedPlace, LocationErrors
from glc.tasks.location.pretraining import PretrainLocation
from tasks.location_2024 import Localise
from tests.tasks.location.small import small


def localise(raster, root, **changes):
    luigi.task_register.Register.clear_instance_cache()
    few = {"gallery": 200, "queries": 40}
    tables = {key: changes.pop(key) for key in ("gallery", "over", "queries", "refine") if key in changes}
    experiment = changes.pop("experiment", None) or small().changed(localisation=few | tables)
    return Localise(imagery=str(raster), root=str(root), experiment=experiment, **changes)


def run(task):
    """Families of the tasks that ran."""
    ran = []
    note = luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda one: ran.append(one.task_family))
    try:
        assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    finally:
        luigi.Task._event_callbacks[luigi.Task][luigi.Event.SUCCESS].discard(note)
    return ran


def test_from_nothing_to_errors_and_a_picture(raster, tmp_path):
    root = tmp_path / "out"
    task = localise(raster, root, refine=True, at="7.25,42")
    assert run(task) == ["PretrainLocation", "LocationErrors", "LocatedPlace", "location_2024.Localise"]
    errors = task.clone(LocationErrors)
    folder = errors.stable("x").parent
    assert folder.parent.parent == root / "location" / "globe"
    assert folder.name == "localisation"
    assert folder.parent.name == errors.experiment.file_name
    names = {"metrics.csv", "queries.parquet", "errors.png", "gallery.parquet", "at_7.25_42.png", "at_7.25_42.csv"}
    assert {path.name for path in folder.iterdir()} == names
    metrics = pd.read_csv(folder / "metrics.csv")
    assert list(metrics["line"]) == ["gallery", "refined", "ceiling", "chance"] * 2
    ceiling = metrics[metrics["line"] == "ceiling"]
    assert (ceiling["within_200_km"] == 1).all()
    queries = pd.read_parquet(folder / "queries.parquet")
    assert len(queries) == 4 * 40
    whole, refined = (queries[queries["refined"] == one].reset_index() for one in (False, True))
    assert (refined["similarity"] >= whole["similarity"] - 1e-5).all()
    gallery = pd.read_parquet(folder / "gallery.parquet")
    assert len(gallery) == 200
    assert gallery["lon"].between(5, 11).all()
    best = pd.read_csv(folder / "at_7.25_42.csv")
    assert list(best["rank"]) == list(range(1, 11))
    assert best["similarity"].is_monotonic_decreasing
    told = "\n".join(task.results())
    assert f"results {folder}" in told
    assert "held out | refined" in told
    assert "searching, held out" in told
    assert run(localise(raster, root, refine=True, at="7.25,42")) == []
    assert run(localise(raster, root, refine=True, at="7.5,42")) == ["LocatedPlace", "location_2024.Localise"]


def test_encoders_that_are_there_are_taken(raster, tmp_path):
    first = PretrainLocation(imagery=str(raster), root=str(tmp_path), experiment=small(), label="mine")
    assert luigi.build([first], local_scheduler=True, log_level="WARNING")
    folder = tmp_path / "location" / "globe" / "mine"
    tasks = [localise(raster, tmp_path, encoder=str(path)) for path in (folder, folder / "location.ckpt")]
    assert tasks[0].clone(LocationErrors).identity == tasks[1].clone(LocationErrors).identity
    assert run(tasks[1]) == ["LocationErrors", "location_2024.Localise"]
    errors = tasks[1].clone(LocationErrors)
    assert errors.stable("metrics.csv").is_file()
    assert errors.stable("metrics.csv").parent.parent == folder
    facts = storage.manifest(errors.folder)
    assert facts["lost"] == {"left_out": 0, "trained_on_fewer": 0}
    assert facts["held_out_squares"]


def test_identity_and_stable_paths_follow_from_what_changes_the_bytes(raster, tmp_path):
    def errors(**changes):
        return localise(raster, tmp_path, **changes).clone(LocationErrors)

    one = errors()
    assert errors(threads=1).identity == one.identity
    assert errors(at="7,42").identity == one.identity
    for change in ({"gallery": 201}, {"queries": 41}, {"over": "sphere"}, {"refine": True}):
        assert errors(**change).identity != one.identity
    assert errors(experiment=small(dim=5)).identity != one.identity
    usual = {"experiment": "location"}
    place = tmp_path / "location" / "globe" / "location"
    assert errors(**usual).stable("errors.png") == place / "localisation" / "errors.png"
    refined = errors(experiment="location+localisation.refine=true")
    assert refined.stable("errors.png").parent.parent.name == "location+localisation.refine=true"
    assert refined.pretrained().identity == errors(**usual).pretrained().identity
    places = [localise(raster, tmp_path, at=at, **usual).clone(LocatedPlace) for at in ("7,42", "7.0,42.0", "7,43")]
    assert places[0].identity == places[1].identity != places[2].identity
    assert places[0].published()[0].path == place / "localisation" / "at_7_42.png"


def test_two_encoders_of_one_name_have_results_of_their_own(raster, tmp_path):
    usual = {"experiment": "location"}
    here = tmp_path / "location" / "globe"
    folders = [tmp_path / "a" / "encoder", tmp_path / "b" / "encoder", here / "encoder", here / "x"]
    for folder in folders:
        folder.mkdir(parents=True)
        for name in ("location.ckpt", "image.ckpt"):
            (folder / name).write_text(str(folder))
    errors = [localise(raster, tmp_path, **usual, encoder=str(folder)).clone(LocationErrors) for folder in folders]
    paths = [task.stable("metrics.csv") for task in errors]
    default = localise(raster, tmp_path, **usual).clone(LocationErrors).stable("metrics.csv")
    assert len({*paths[:2], default}) == 3
    for task, path in zip(errors[:2], paths[:2], strict=True):
        assert path.parent == here / "encoder" / f"localisation-{task.identity}"
    assert [path.parent for path in paths[2:]] == [folder / "localisation" for folder in folders[2:]]


def test_what_cannot_be_used_is_refused_when_the_command_is_read(raster, tmp_path):
    with pytest.raises(ConfigError, match=r"--encoder .*location.ckpt: no such file; give the folder of location.ckpt"):
        localise(raster, tmp_path, encoder=str(tmp_path))
    with pytest.raises(ConfigError, match=r"--at: found 'Paris', expected LON,LAT"):
        localise(raster, tmp_path, at="Paris")
    with pytest.raises(ConfigError, match=r"--at: found '43.7,97.1', expected degrees within"):
        localise(raster, tmp_path, at="43.7,97.1")
    with pytest.raises(ConfigError, match=r"localisation.gallery: found 9, expected at least 10"):
        localise(raster, tmp_path, gallery=9)
    with pytest.raises(ConfigError, match=r"localisation.queries: found 0, expected at least 1"):
        localise(raster, tmp_path, queries=0)
    (tmp_path / "mine.ckpt").write_text("")
    told = r"--encoder .*: found a file called mine.ckpt, expected location.ckpt with image.ckpt in the same folder"
    with pytest.raises(ConfigError, match=told):
        localise(raster, tmp_path, encoder=str(tmp_path / "mine.ckpt"))
