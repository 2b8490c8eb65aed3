"""One's own records through the survey ETL: archives, text ids, names of species, absences, a map of their own."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from glc import config, editions, geo, storage, world
from glc import surveys as read
from glc.editions import ABSENT, Dataset, Edition, Lines, Table
from glc.editions import _records as r
from glc.errors import DataError
from glc.etl import quarantine as q
from glc.etl import surveys

SMALL = dataclasses.replace(world.SIZES["gbif"], n=3_000)


@pytest.fixture(scope="module")
def archive(spark, tmp_path_factory):
    """(dataset, output, facts) of a small virtual download."""
    folder = tmp_path_factory.mktemp("gbif")
    world.write(SMALL, folder)
    dataset = editions.recognise(folder)
    dataset = dataset.edition.prepare(dataset, config.Surveys())
    return dataset, folder / "out", surveys.write(spark, dataset, folder / "out")


def table(out, name):
    return storage.read_table(out / name, name).to_pandas()


def test_every_record_of_an_archive_is_kept_or_quarantined_by_its_line(archive):
    dataset, out, facts = archive
    with zipfile.ZipFile(dataset.files[0][1]) as packed:
        lines = packed.read("occurrence.txt").decode().splitlines()
    assert facts["rows"] == len(lines) - 1 == SMALL.n
    assert facts["kept"] + facts["quarantined"] == facts["rows"]
    (file,) = facts["files"]
    assert file["file"] == "gbif.zip/occurrence.txt"
    assert set(file["reasons"]) == {
        q.FIELDS, q.NO_PLACE, q.BAD_PLACE, r.ZERO, r.COUNTRY, r.NO_DATUM, r.DATE, r.STATUS, r.NOT_A_SPECIES, r.BASIS,
        r.FAR,
    }  # fmt: skip
    bad = table(out, "quarantine")
    columns = lines[0].split("\t")
    for row in bad.groupby("reason").head(3).itertuples():
        if row.column in columns and row.reason not in (r.ZERO, r.COUNTRY):
            assert lines[row.line - 1].split("\t")[columns.index(row.column)] == (row.found or "")
    assert facts["datasets"]["po"]["occurrences"] + facts["datasets"]["po"]["absences"] == facts["kept"]


def test_species_are_called_by_their_keys_and_have_names(archive):
    _, out, facts = archive
    species = read.read_species(out)
    assert facts["species"] == {"number": len(species), "named": len(species), "text_ids": []}
    assert species["speciesId"].is_monotonic_increasing
    assert species["key"].tolist() == species["speciesId"].astype(str).tolist()
    assert species["name"].str.count(" ").eq(1).all()
    assert set(table(out, "occurrences")["speciesId"]) <= set(species["speciesId"])


def test_places_are_moved_from_their_datum_and_one_visit_is_one_survey(archive):
    dataset, out, _ = archive
    with zipfile.ZipFile(dataset.files[0][1]) as packed:
        raw = pd.read_csv(packed.open("occurrence.txt"), sep="\t", dtype=str, on_bad_lines="skip", quoting=3)
    made = table(out, "surveys")
    first = raw.set_index(pd.to_numeric(raw["gbifID"])).loc[made["surveyId"]]
    away = (pd.to_numeric(first["decimalLatitude"]).to_numpy() - made["lat"].to_numpy()) * 111_195
    old = (first["geodeticDatum"] == "ED50").to_numpy()
    assert 20 < old.sum() < len(made) / 5
    assert (abs(away[~old]) < 0.01).all()
    assert np.median(abs(away[old])) > 50
    assert not made.duplicated(["lon", "lat", "geoUncertaintyInM"]).all()
    assert made["species"].str.len().between(1, 60).all()  # a place where nothing was found is no presence
    assert made["species"].str.len().max() > 1
    assert (made["crs"] == 3035).all()
    assert made["easting"].notna().all()
    assert len(table(out, "absences")) > 50


def test_licences_and_the_doi_are_facts(archive):
    _, _, facts = archive
    assert facts["citation"]["doi"] == "10.5072/dl.virtual"
    assert sum(facts["citation"]["licences"].values()) == facts["kept"]
    assert set(facts["citation"]["licences"]) == {"CC_BY_4_0", "CC_BY_NC_4_0", "CC0_1_0"}
    assert facts["widens"] is True
    json.dumps(facts)


class Survey(Lines):
    """Lines that a program makes, here those of a file."""

    def size(self, path):
        return 1_000

    def lines(self, path, header_lines=1):
        yield from enumerate(Path(path).read_text().splitlines(), start=1)


def refuse_bogs(frame: pd.DataFrame) -> pd.DataFrame:
    """Rules of a test: a habitat that is not used, and a cover of 0 that is an absence."""
    bog = frame["habitat"] == "bog"
    found = frame["habitat"].where(bog, None)
    reason = bog.map({True: "no bogs", False: None})
    status = frame["cover"].map({"0": ABSENT})
    return pd.DataFrame({"status": status, "fault_column": "habitat", "fault_found": found, "fault_reason": reason})


OWN = Table(
    "pa_train",
    ("own.txt",),
    {"surveyId": "plot", "lon": "x", "lat": "y", "speciesId": "species"},
    {"speciesName": "name"},
    separator=";",
    quote="",
    names=("plot", "x", "y", "species", "name", "habitat", "cover"),
    crs=0,
    bounds=(-180, -90, 180, 90),
    source=Survey(),
    text_ids=("surveyId", "speciesId"),
    rules=refuse_bogs,
    reads=("habitat", "cover", "nowhere"),
    made=("status",),
)
ROWS = (
    "p-10;151.2;-33.9;quil;Quercus ilex;wood;3",
    "p-10;151.2;-33.9;pipi;Pinus pinea;wood;0",
    "p-2;151.3;-33.8;quil;Quercus ilex L.;wood;2",
    "p-2;151.3;-33.8;quil;Quercus ilex;wood;1",
    "p-3;151.4;-33.8;quil;Quercus ilex;bog;1",
    "p-4;151.4;-33.8;;;wood;1",
)


@pytest.fixture(scope="module")
def own(spark, tmp_path_factory):
    """(output, facts) of a made-up edition whose ids are text."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.txt").write_text("\n".join(ROWS))
    edition = Edition("own", (OWN,))
    edition.name = "own"
    dataset = Dataset("own", folder, edition, edition.find(folder))
    return folder / "out", surveys.write(spark, dataset, folder / "out", max_quarantine_fraction=0.5)


def test_ids_that_are_text_are_numbered_in_their_order_and_kept(own):
    out, facts = own
    assert read.read_survey_names(out)[["surveyId", "name"]].to_numpy().tolist() == [[1, "p-10"], [2, "p-2"]]
    assert read.read_species(out).to_numpy().tolist() == [[1, "Pinus pinea", "pipi"], [2, "Quercus ilex", "quil"]]
    assert facts["species"] == {"number": 2, "named": 2, "text_ids": ["speciesId", "surveyId"]}
    assert [row["species"].tolist() for row in table(out, "surveys").to_dict("records")] == [[2], [2]]
    assert table(out, "absences")[["surveyId", "speciesId"]].to_numpy().tolist() == [[1, 1]]


def test_rules_of_an_edition_quarantine_by_line_and_data_elsewhere_get_their_zone(own):
    out, _ = own
    bad = table(out, "quarantine").sort_values("line")[["line", "column", "found", "reason"]]
    assert bad.to_numpy().tolist() == [[5, "habitat", "bog", "no bogs"], [6, "species", None, q.NO_SPECIES]]
    assert set(table(out, "surveys")["crs"]) == {32_756}


def test_data_on_both_sides_of_180_degrees_get_a_projection_that_holds_both(spark, tmp_path):
    rows = [f"p-{i};{lon};-16.5;quil;Quercus ilex;wood;3" for i, lon in enumerate((178.5, 179.9, -179.9, -179.2))]
    (tmp_path / "own.txt").write_text("\n".join(rows))
    edition = Edition("own", (OWN,))
    edition.name = "own"
    surveys.write(spark, Dataset("own", tmp_path, edition, edition.find(tmp_path)), tmp_path / "out")
    made = table(tmp_path / "out", "surveys").sort_values("surveyId")
    assert set(made["crs"]) == {32_760}
    apart = np.hypot(np.diff(made["easting"]), np.diff(made["northing"]))
    lon, lat = made["lon"].to_numpy(), made["lat"].to_numpy()
    assert_allclose(apart, geo.great_circle_m(lon[1:], lat[1:], lon[:-1], lat[:-1]), rtol=0.01)


def test_a_disk_without_room_is_reported_before_anything_is_unpacked(own, tmp_path, monkeypatch):
    monkeypatch.setattr(Survey, "size", lambda self, path: 2**60)
    (tmp_path / "own.txt").write_text("\n".join(ROWS))
    edition = Edition("own", (OWN,))
    with pytest.raises(DataError, match=r"reading the unpacked dataset needs .* GB on disk"):
        surveys.write(None, Dataset("own", tmp_path, edition, edition.find(tmp_path)), tmp_path / "out")
