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
from glc.etl import identifiers, surveys
from glc.etl import quarantine as q

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
        q.FIELDS, q.NO_PLACE, q.BAD_PLACE, r.ZERO, r.COUNTRY, r.NO_DATUM, r.STATUS, r.NOT_A_SPECIES, r.BASIS,
        r.FAR,
    }  # fmt: skip
    bad = table(out, "quarantine")
    columns = lines[0].split("\t")
    for row in bad.groupby("reason").head(3).itertuples():
        if row.column in columns and row.reason not in (r.ZERO, r.COUNTRY):
            assert lines[row.line - 1].split("\t")[columns.index(row.column)] == (
                row.found if isinstance(row.found, str) else ""
            )
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
    bad = bad.astype(object).where(bad.notna(), None)
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


class Named(Edition):
    """An edition whose file of names writes ids as 7.0."""

    def __init__(self, ids):
        super().__init__("own", (OWN,))
        self.ids = ids

    def species(self, dataset):
        return pd.DataFrame({"speciesId": self.ids, "name": [f"species {text}" for text in self.ids], "key": None})


@pytest.mark.parametrize("ids", [["7.0", "08", None, "9", "9.0"], ["+7", "8.", "9", "10.0"]])
def test_names_are_found_for_numbers_in_any_form(tmp_path, caplog, ids):
    dataset = Dataset("own", tmp_path, Named(ids), ())
    facts = identifiers.write_unnamed(np.array([9, 7, 8]), dataset, tmp_path)
    assert facts == {"number": 3, "named": 3, "text_ids": []}
    assert read.read_species(tmp_path)["name"].tolist() == [f"species {text}" for text in (*ids[:2], "9")]
    assert not caplog.records


def test_a_file_of_names_without_most_of_the_species_is_reported(tmp_path, caplog):
    dataset = Dataset("own", tmp_path, Named(["7", "1007"]), ())
    assert identifiers.write_unnamed(np.array([7, 8, 9]), dataset, tmp_path)["named"] == 1
    assert "own: the file of names has 1 of 3 species, and not 8, 9;" in caplog.text


def test_a_hole_in_what_was_unpacked_is_reported_with_the_name_of_the_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "gbif.zip", "w") as packed:
        header = "gbifID\toccurrenceID\tdecimalLongitude\tdecimalLatitude\tspeciesKey\tspecies\n"
        rows = "".join(f"{number}\t{number}\t4.5\t44.5\t7\tQuercus ilex\n" for number in range(9))
        packed.writestr("occurrence.csv", header + rows + "\0" * 4_096 + "\n")
    dataset = editions.recognise(tmp_path)
    with pytest.raises(DataError, match=rf"{tmp_path}/gbif\.zip: found binary data.*: line 11 has NUL bytes"):
        surveys.write(None, dataset, tmp_path / "out")


def test_layers_of_a_long_and_of_a_wide_table_are_one_species(spark, tmp_path):
    rows = [(i, f"4.{i:02d}", tree, shrub) for i, (tree, shrub) in enumerate([(0, 5), (3, 0), (2, 1), (0, 0)])]
    wide, long = tmp_path / "wide", tmp_path / "long"
    for folder in (wide, long):
        folder.mkdir()
    (wide / "p.csv").write_text(
        "plot,x,y,Quercus,Fagus,Quercus\n" + "".join(f"{i},{x},44,{tree},1,{shrub}\n" for i, x, tree, shrub in rows)
    )
    (long / "p.csv").write_text(
        "plot,x,y,taxon,cover\n"
        + "".join(
            f"{i},{x},44,Quercus,{tree}\n{i},{x},44,Fagus,1\n{i},{x},44,Quercus,{shrub}\n" for i, x, tree, shrub in rows
        )
    )
    toml = '[surveys]\nfile = "p.csv"\nsurvey = "plot"\nlon = "x"\nlat = "y"\n'
    (wide / "dataset.toml").write_text(f'{toml}species_columns = ["*"]\n')
    (long / "dataset.toml").write_text(f'{toml}species = "taxon"\nabundance = "cover"\n')
    for folder in (wide, long):
        surveys.write(spark, editions.recognise(folder), folder / "out")
        made = table(folder / "out", "surveys").sort_values("surveyId")
        assert made["species"].map(list).tolist() == [[1, 2], [1, 2], [1, 2], [1]]  # Fagus, Quercus
