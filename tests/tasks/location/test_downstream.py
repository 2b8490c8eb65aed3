"""Downstream tasks of places as Luigi tasks, on made-up tables."""

import json

import luigi
import pandas as pd
import pytest
import torch

from glc.config import Choice, Variant
from glc.errors import ConfigError
from glc.location import LocationEncoder
from glc.location.downstream import sources
from glc.location.downstream.sources import Source
from glc.tasks.location.downstream import DownstreamScores
from tasks import location_2024
from tests.location import places

HEAD = {"width": 8, "epochs": 1, "least_steps": 3, "batch": 256}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Folders and files of a run."""
    folder = tmp_path_factory.mktemp("given")
    places.write_location(folder / "location")
    places.write_habitats(folder / "habitats")
    places.write_raster(folder / "r.tif")
    torch.manual_seed(0)
    for name, bands in {"told": ["altitude_m", "land_percent"], "blind": ["land_percent"]}.items():
        LocationEncoder(Choice("xyz"), Choice("siren"), 8, {"bands": bands}).save(folder / f"{name}.ckpt")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(autouse=True)
def _little(monkeypatch):
    monkeypatch.setattr(sources, "DEGREES", (2,))
    monkeypatch.setattr("glc.report.location.fibonacci.__defaults__", (300,))


def asked(given, root, **changes):
    luigi.task_register.Register.clear_instance_cache()
    told, blind = (str(given / f"{name}.ckpt") for name in ("told", "blind"))
    wanted = {
        "places": str(given / "location"),
        "habitats": str(given / "habitats"),
        "raster": str(given / "r.tif"),
        "encoders": {"all bands": told, "without its own": {"altitude_m": blind, "*": told}},
        "seeds": 2,
        "experiment": Variant("location").changed(head=HEAD),
    }
    return location_2024.Downstream(root=str(root), **(wanted | changes))


@pytest.mark.slow
def test_the_tables_the_predictions_and_the_pictures_are_made_once(given, root):
    task = asked(given, root)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    page = (root / "tables" / "location" / "location_2024-downstream.md").read_text()
    head = page[page.index("## location, fold_knndm") :]
    block, drawn = head.split("## location, fold_random")
    assert "| blend | " in block.split("## location, fold_block10")[1]
    block = block.split("## location, fold_block10")[0]
    assert ("optimistic for new places" in block, "optimistic for new places" in drawn) == (False, True)
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in block.splitlines() if line.startswith("| ")}
    assert list(rows)[1:] == [
        "10 nearest places",
        "10 nearest places, weighted by 1/(1 + km)",
        "nearest places, k and power chosen",
        "kriging",
        "raw coordinates",
        "xyz",
        "sphereC+",
        "harmonics, L = 2",
        "raster-read, all bands",
        "raster-read, without the target's bands",
        "raster-read, without temperature and altitude",
        "all bands",
        "all bands + harmonics, L = 2",
        "without its own",
        "without its own + harmonics, L = 2",
        "blend",
    ]
    assert "±" in rows["xyz"][1]
    assert "±" not in rows["10 nearest places"][1]
    assert rows["raster-read, without temperature and altitude"][1] == ""
    assert "10 places have no Köppen main class" in block
    assert "1 fold;" in head
    assert "all bands: its imagery had altitude_m" in page
    for other in ("10 nearest places", "kriging", "harmonics, L = 2"):
        gains = page[page.index(f"## location, fold_knndm, compared with {other}\n") :].split("\n## ")[0]
        assert "| blend | " in gains
        assert f"| {other} | " not in gains
    assert "below 500 mm" in page

    query = pd.read_parquet(root / "location" / "query_predictions.parquet")
    assert list(query) == [
        *("lat", "lon", "country_code", "prec_annual_mm", "tmean_annual_c", "altitude_m", "koeppen_main")
    ]
    assert query.notna().all().all()
    assert len(query) == 30
    habitats = pd.read_csv(root / "location" / "habitat_predictions.csv", keep_default_na=False)
    assert list(habitats) == ["surveyId", "habitatId", "top5"]
    chosen = json.loads((task.requires()["location"].folder / "chosen.json").read_text())
    for target, found in chosen.items():
        assert found["mean of"]
        assert not [label for label in found["mean of"] if label.startswith("raster")]
        assert ("all bands" in found["not asked"]) == (target == "altitude_m")
    long = pd.read_csv(root / "tables" / "location" / "location_2024-downstream.csv", keep_default_na=False)
    assert set(long["benchmark"]) == {"location", "habitats"}
    pooled = long[(long["fold"] == "all") & (long["score"] != "")].astype({"score": float, "low": float, "high": float})
    assert (pooled["low"] <= pooled["high"]).all()
    blend = pooled[(pooled["row"] == "blend") & (pooled["measure"] == "accuracy")]
    assert ((blend["low"] <= blend["score"]) & (blend["score"] <= blend["high"])).all()
    assert (long.loc[long["fold"] != "all", "low"] == "").all()
    pictures = {path.name for path in (root / "location" / "pictures").iterdir()}
    assert len(pictures) == 5 + 2 * 4
    assert "similarity_all-bands_qinghai-tibet-plateau.png" in pictures

    ran = []
    luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda one: ran.append(one.task_family))
    assert luigi.build([asked(given, root)], local_scheduler=True, log_level="WARNING")
    assert ran == []


def test_without_habitats_raster_and_encoders_there_are_the_reference_and_the_controls(given, root):
    task = asked(given, root, habitats="", raster="", encoders={})
    assert set(task.requires()) == {"location", "pictures"}
    assert list(task.requires()["location"].rows()) == [
        "10 nearest places",
        "10 nearest places, weighted by 1/(1 + km)",
        "nearest places, k and power chosen",
        *("kriging", "raw coordinates", "xyz", "sphereC+", "harmonics, L = 2"),
    ]
    assert len(task.requires()["pictures"].names()) == 5


def test_identity_follows_contents_and_settings_not_paths(given, root, tmp_path):
    def identity(**changes):
        luigi.task_register.Register.clear_instance_cache()
        wanted = {
            "benchmark": "location",
            "places": str(given / "location"),
            "source": Source("encoder"),
            "paths": {"*": str(given / "told.ckpt")},
        }
        return DownstreamScores(root=str(root), **(wanted | changes)).identity

    first = identity()
    places.write_location(tmp_path / "elsewhere")
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes((given / "told.ckpt").read_bytes())
    assert identity(places=str(tmp_path / "elsewhere"), paths={"*": str(copy)}) == first
    places.write_location(tmp_path / "elsewhere", n=300)
    others = [
        identity(places=str(tmp_path / "elsewhere")),
        identity(paths={"*": str(given / "blind.ckpt")}),
        identity(paths={"altitude_m": str(given / "told.ckpt")}),
        identity(seeds=2),
        identity(head={"width": 8}),
        identity(source=Source("features", Choice("xyz")), paths={}),
        identity(source=Source("nearest"), paths={}),
        identity(source=Source("nearest", power=1.0), paths={}),
    ]
    assert len({first, *others}) == 9


def test_what_cannot_be_asked_is_refused(given, root):
    with pytest.raises(ConfigError, match="no such folder"):
        asked(given, root, places=str(given / "none"))
    with pytest.raises(ConfigError, match=r"encoder 'a': .*none.ckpt: no such file"):
        asked(given, root, encoders={"a": str(given / "none.ckpt")})
    with pytest.raises(ConfigError, match="unknown target 'altitude'; expected some of: \\*, country_code"):
        asked(given, root, encoders={"a": {"altitude": str(given / "told.ckpt")}})
    with pytest.raises(ConfigError, match="another row has that label"):
        asked(given, root, encoders={"xyz": str(given / "told.ckpt")}).requires()["location"].rows()
