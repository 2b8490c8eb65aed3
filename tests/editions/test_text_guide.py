"""Darwin Core archives as the text guide allows them (https://dwc.tdwg.org/text), and as publishers write them."""

import zipfile
from xml.etree import ElementTree

import pandas as pd
import pytest

from glc import config, editions
from glc.editions import _records, _text
from glc.errors import DataError

TERMS = "http://rs.tdwg.org/dwc/terms/"
COLUMNS = ("occurrenceID", "scientificName", "decimalLongitude", "decimalLatitude", "eventDate")
ROWS = (
    ("a", "Quercus ilex", "3.9", "43.6", "2019-05-03"),
    ("b", "Pinus pinea", "4.0", "43.7", "2019-05-04"),
)
TABS = 'fieldsTerminatedBy="\\t" fieldsEnclosedBy="" ignoreHeaderLines="1"'


def fields(columns, start=0):
    return "".join(f'<field index="{start + i}" term="{TERMS}{name}"/>' for i, name in enumerate(columns))


def entity(written, inside, location="occurrence.txt", kind="Occurrence", tag="core"):
    locations = "".join(f"<location>{name}</location>" for name in location.split())
    return f'<{tag} rowType="{TERMS}{kind}" {written}><files>{locations}</files>{inside}</{tag}>'


def meta(*parts, head="", **attributes):
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'{head}<archive xmlns="http://rs.tdwg.org/dwc/text/"{said}>{"".join(parts)}</archive>'


def text(rows, separator="\t", end="\n"):
    return "".join(separator.join(row) + end for row in rows)


def packed(folder, files, name="a.zip"):
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return folder / name


def made_of(path, settings=None):
    """All rows of a dataset after its rules, with the lines that they are from."""
    dataset = editions.recognise(path)
    editions.check(dataset)
    dataset = dataset.edition.prepare(dataset, settings or config.Surveys())
    frames = []
    for table, file in dataset.files:
        names = editions.header(file, table)
        split = [(line, editions._text.split(text, table.separator, table.quote))
                 for line, text in table.source.lines(file, table.header_lines)]  # fmt: skip
        whole = [(line, row) for line, row in split if len(row) == len(names)]
        frame = pd.DataFrame([row for _, row in whole], columns=names, dtype=object).reindex(columns=table.reads)
        made = table.rules(frame.where(frame.notna() & (frame != ""), None))
        frames.append(made.assign(line=[line for line, _ in whole], whole=len(whole) == len(split)))
    return pd.concat(frames, ignore_index=True).replace({float("nan"): None})


def odd(path):
    dataset = editions.recognise(path)
    dataset = dataset.edition.prepare(dataset, config.Surveys())
    return dataset.edition.oddities(dataset)


def assert_both_rows(made):
    assert made[["surveyId", "speciesId", "lon", "lat", "date"]].to_numpy().tolist() == [list(row) for row in ROWS]
    assert made["fault_reason"].isna().all()


def test_what_meta_xml_leaves_out_has_the_guides_defaults(tmp_path):
    rows = [ROWS[0], ("b", '"Pinus pinea"', "4.0", '"43.7"', "2019-05-04")]
    files = {"meta.xml": meta(entity("", '<id index="0"/>' + fields(COLUMNS))), "occurrence.txt": text(rows, ",")}
    made = made_of(packed(tmp_path, files))
    assert_both_rows(made)
    assert made["line"].tolist() == [1, 2]  # no line is a header


def test_a_quote_keeps_separators_quotes_and_line_ends_and_a_stray_one_costs_its_line_alone(tmp_path):
    columns = (*COLUMNS, "occurrenceRemarks")
    content = (
        'a,Quercus ilex,3.9,43.6,2019-05-03,"tall, ""old""\n\nat the wall"\n'
        'x,Quercus ilex,3.9,43.6,2019-05-03,"never closed, and\n'
        'b,Pinus pinea,4.0,43.7,2019-05-04,5" round\n'
    )
    files = {"meta.xml": meta(entity("", '<id index="0"/>' + fields(columns))), "occurrence.txt": content}
    made = made_of(packed(tmp_path, files))
    assert made["surveyId"].tolist() == ["a", "x", "b"]
    assert made["line"].tolist() == [1, 4, 5]
    files["occurrence.txt"] = content.replace('5" round', 'also "open"').replace(", and\n", "\n")
    assert made_of(packed(tmp_path / "two", files))["surveyId"].tolist() == ["a", "x", "b"]
    stray = "".join(f"r{i},Quercus ilex,3.9,43.6,2019-05-03,\n" for i in range(3 * _text.MOST_LINES))
    files["occurrence.txt"] = f'"q,Quercus ilex,3.9,43.6,2019-05-03,\n{stray}'
    dataset = editions.recognise(packed(tmp_path / "stray", files))
    ((table, path),) = dataset.files
    counts = [line.count("\t") for _, line in table.source.lines(path)]
    assert counts == [0, *[4] * 3 * _text.MOST_LINES]  # the first has not all its fields, and goes to quarantine


@pytest.mark.parametrize(
    ("end", "said"), [("\r", "\\n"), ("\r\n", "\\r\\n"), ("\r\n", ""), ("|", "|"), ("~\n", "~\\n")]
)
def test_any_line_end_is_read(tmp_path, end, said):
    written = f'{TABS} linesTerminatedBy="{said}"'
    files = {
        "meta.xml": meta(entity(written, '<id index="0"/>' + fields(COLUMNS))),
        "occurrence.txt": text([COLUMNS, *ROWS], end=end),
    }
    made = made_of(packed(tmp_path, files))
    assert_both_rows(made)
    assert made["line"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("said", "actual"),
    [("UTF-16", "utf-16"), ("ISO-8859-1", "latin-1"), ("utf8", "utf-8-sig"), ("UTF-8", "cp1252")],
)
def test_a_text_is_read_in_the_encoding_that_it_is_in(tmp_path, said, actual):
    rows = [
        ("a", "Quercus ilex", "3.9", "43.6", "2019-05-03", "Hérault"),
        *[("b", "Pinus", "3", "43", "", "Pyrénées à l’été")] * 30,
    ]
    written = f'{TABS.replace("1", "0")} encoding="{said}"'
    files = {
        "meta.xml": meta(entity(written, '<id index="0"/>' + fields((*COLUMNS, "stateProvince")))),
        "occurrence.txt": text([[cell.replace("’", "'") for cell in row] for row in rows]).encode(actual),
    }
    path = packed(tmp_path, files)
    assert made_of(path).loc[0, ["surveyId", "region"]].tolist() == ["a", "Hérault"]
    assert ["as they say" in line.what for line in odd(path)] == [True] * (actual == "cp1252")


def test_meta_xml_may_be_in_a_folder_of_the_zip_with_others_next_to_it(tmp_path):
    inside = {
        "x/meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(COLUMNS), "./data/occurrence.txt")),
        "x/data/occurrence.txt": text([COLUMNS, *ROWS]),
        "x/eml.xml": "<eml><dataset><title>Oaks</title></dataset></eml>",
        "x/.DS_Store": "?",
        "__MACOSX/x/._meta.xml": "?",
        "__MACOSX/meta.xml": "?",
        "other/readme.txt": "?",
    }
    path = packed(tmp_path, inside)
    assert_both_rows(made_of(path))
    assert_both_rows(made_of(tmp_path))  # a zip in the dataset's folder
    dataset = editions.recognise(path)
    assert dataset.edition.citation(dataset)["title"] == "Oaks"
    windows = {name.replace("/", "\\"): content for name, content in inside.items()}
    assert_both_rows(made_of(packed(tmp_path / "windows", windows)))
    simple = "gbifID\tspecies\tdecimalLatitude\tdecimalLongitude\tspeciesKey\n1\tQuercus ilex\t43.6\t3.9\t7\n"
    assert len(made_of(packed(tmp_path / "simple", {"x/1.csv": simple, "__MACOSX/x/._1.csv": "?"}))) == 1


def test_the_rows_of_a_core_in_several_files_follow_each_other_and_keep_their_lines(tmp_path):
    files = {
        "meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(COLUMNS), "1.txt 2.txt 3.txt")),
        "1.txt": text([COLUMNS, ROWS[0]]),
        "2.txt": text([COLUMNS]),
        "3.txt": text([COLUMNS, ROWS[1]]),
    }
    path = packed(tmp_path, files)
    made = made_of(path)
    assert_both_rows(made)
    assert made["line"].tolist() == [2, 2]
    dataset = editions.recognise(path)
    assert [dataset.file_name(*file) for file in dataset.files] == ["a.zip/1.txt", "a.zip/3.txt"]


def test_two_terms_may_have_one_column_and_a_term_a_default_that_stays_with_its_file(tmp_path):
    more = (
        f'<field index="0" term="{TERMS}catalogNumber"/>'
        f'<field index="5" default="absent" term="{TERMS}occurrenceStatus"/>'
        f'<field index="4" term="{TERMS}year"/><field term="http://purl.org/dc/terms/license" default="CC0"/>'
    )
    other = entity(
        TABS, f'<coreid index="0"/><field term="{TERMS}eventDate" default="1987-06-01"/>'
        f'<field term="{TERMS}countryCode" default="AU"/>', "other.txt", "ResourceRelationship", "extension",
    )  # fmt: skip
    columns = [*COLUMNS[:4], "year", "occurrenceStatus"]
    rows = [("a", "Quercus ilex", "3.9", "43.6", "2019", ""), ("b", "Pinus pinea", "4.0", "43.7", "2018", "present")]
    files = {
        "meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(COLUMNS[:4]) + more), other),
        "occurrence.txt": text([columns, *rows]),
        "other.txt": "id\na\n",
    }
    made = made_of(packed(tmp_path, files))
    assert made["surveyId"].tolist() == ["a", "b"]
    assert made["year"].tolist() == ["2019", "2018"]
    assert made["status"].tolist() == ["absent", None]
    assert made["licence"].tolist() == ["CC0", "CC0"]
    assert made["date"].tolist() == made["country"].tolist() == made["fault_reason"].tolist() == [None, None]


def test_records_without_an_id_are_called_by_their_line(tmp_path):
    written = 'ignoreHeaderLines="1"'
    kind = "http://rs.tdwg.org/dwc/xsd/simpledarwincore/SimpleDarwinRecord"  # as the guide's first example says
    core = entity(written, fields(COLUMNS[1:])).replace(f"{TERMS}Occurrence", kind)
    files = {"meta.xml": meta(core), "occurrence.txt": text([row[1:] for row in (COLUMNS, *ROWS)], ",")}
    made = made_of(packed(tmp_path, files))
    assert made["surveyId"].tolist() == ["occurrence.txt:2", "occurrence.txt:3"]
    assert made["speciesId"].tolist() == ["Quercus ilex", "Pinus pinea"]


@pytest.mark.parametrize(
    ("inside", "header", "message"),
    [
        (
            '<field index="5" term="x/year"/>',
            1,
            r"the field 'year' has the index 5, expected one below 5 \(5 fields in the f",
        ),
        ('<field index="60000" term="x/year"/>', 1, "has the index 60,000, expected one below 5"),
        ('<field index="999999999" term="x/year"/>', 0, "has the index 999,999,999, expected one below 5"),
        ('<coreid index="7"/>', 1, "the field 'id' has the index 7"),
        ('<field index="-1" term="x/year"/>', 1, "cannot be read .the index of a field is '-1'"),
        (f'<field index="{"9" * 5_000}" term="x/year"/>', 1, "cannot be read .the index of a field is '999"),
        ('<field index="1.0" term="x/year"/>', 1, "cannot be read .the index of a field is '1.0'"),
    ],
)
def test_a_field_beyond_the_header_is_refused_at_once(tmp_path, inside, header, message):
    written = TABS.replace("1", str(header))
    files = {
        "meta.xml": meta(entity(written, inside + fields(COLUMNS))),
        "occurrence.txt": text([COLUMNS, *ROWS]),
    }
    with pytest.raises(DataError, match=message) as error:
        editions.recognise(packed(tmp_path, files))
    assert "a.zip: meta.xml" in str(error.value)
    files["occurrence.txt"] = ""
    with pytest.raises(DataError, match=r"has the index|cannot be read|found a header and no rows"):
        editions.check(editions.recognise(packed(tmp_path / "empty", files)))


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-8859-1", "utf-7")
DOCTYPE = '<!DOCTYPE a [<!ENTITY a0 "x"><!ENTITY a1 "&a0;">]>'


@pytest.mark.parametrize("name", ["meta.xml", "eml.xml"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_doctype_is_refused_before_anything_parses_it(tmp_path, monkeypatch, name, encoding):
    plain = {
        "meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(COLUMNS)), metadata="eml.xml"),
        "eml.xml": "<eml><dataset><title>Oaks &amp; pines</title></dataset></eml>",
    }
    head = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    files = {each: (head + content).encode(encoding) for each, content in plain.items()}
    files["occurrence.txt"] = text([COLUMNS, *ROWS])
    dataset = editions.recognise(packed(tmp_path / "plain", files))
    assert dataset.edition.citation(dataset)["title"] == "Oaks & pines"
    files[name] = (head + DOCTYPE + plain[name]).encode(encoding)
    path = packed(tmp_path / "doctype", files)
    parsed = []
    genuine = ElementTree.fromstring
    monkeypatch.setattr(ElementTree, "fromstring", lambda content: parsed.append(content) or genuine(content))
    with pytest.raises(DataError, match=rf"a.zip: {name}: found a DOCTYPE, expected plain XML"):
        editions.recognise(path)
    assert not [content for content in parsed if "ENTITY" in content]


def test_a_location_outside_of_an_unpacked_archive_is_refused(tmp_path):
    (tmp_path / "secret.txt").write_text(text([COLUMNS, *ROWS]))
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / "link.txt").symlink_to(tmp_path / "secret.txt")
    for location in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt"):
        core = entity(TABS, '<id index="0"/>' + fields(COLUMNS), location)
        (tmp_path / "unpacked" / "meta.xml").write_text(meta(core))
        with pytest.raises(DataError, match="expected one inside the archive"):
            editions.recognise(tmp_path / "unpacked")


@pytest.mark.parametrize("name", ["/abs/occurrence.txt", "C:\\abs\\occurrence.txt", "x/../../../occurrence.txt"])
def test_names_inside_a_zip_write_nothing_outside_of_the_folder_that_is_given(tmp_path, name):
    core = entity(TABS, '<id index="0"/>' + fields(COLUMNS), name.replace("\\", "/"))
    path = packed(tmp_path / "zip", {"meta.xml": meta(core), name: text([COLUMNS, *ROWS])})
    ((table, file),) = editions.recognise(path).files
    scratch = tmp_path / "scratch" / "deep" / "deeper"
    scratch.mkdir(parents=True)
    assert table.source.unpack(file, scratch) == scratch / "lines.txt"
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["a.zip", "lines.txt"]


EVENT = ("eventID", "parentEventID", "eventDate", "decimalLongitude", "decimalLatitude", "geodeticDatum", "countryCode")
SEEN = ("eventID", "occurrenceID", "scientificName")
EVENTS = (
    ("cruise", "", "2019-05", "", "", "", "FR"),
    ("site", "cruise", "2019-05-03", "3.9", "43.6", "WGS84", ""),
    ("plot", "site", "", "", "", "", ""),
    ("own", "site", "2020", "4.0", "43.7", "", ""),
    ("half", "site", "2020-01-01", "4.1", "", "my own", ""),
    ("quadrat", "plot", "", "", "", "", ""),
    ("empty", "plot", "", "", "", "", ""),
    ("orphan", "gone", "", "", "", "", ""),
    ("a", "b", "", "", "", "", ""),
    ("b", "a", "", "", "", "", ""),
    ("self", "self", "2018", "4.0", "43.7", "", ""),
)


def event_archive(folder, events=EVENTS):
    found = [(row[0], f"o{number}", "Quercus ilex") for number, row in enumerate(events) if row[0] != "empty"]
    files = {
        "meta.xml": meta(
            entity(TABS, '<id index="0"/>' + fields(EVENT), "event.txt", "Event"),
            entity(TABS, '<coreid index="0"/>' + fields(SEEN), "1.txt 2.txt", tag="extension"),
        ),
        "event.txt": text([EVENT, *events]),
        "1.txt": text([SEEN, *found[:4]]),
        "2.txt": text([SEEN, *found[4:]]),
    }
    return packed(folder, files)


@pytest.mark.parametrize("turned", [False, True])
def test_an_event_has_place_and_date_of_its_nearest_ancestor_that_has_them(tmp_path, turned):
    path = event_archive(tmp_path, EVENTS[::-1] if turned else EVENTS)
    rows = made_of(path).set_index("surveyId")[["lon", "lat", "date", "year", "country", "status"]]
    assert sorted(rows.index) == sorted(row[0] for row in EVENTS)
    site = ["3.9", "43.6", "2019-05-03", "2019", "France", None]
    assert rows.loc["site"].tolist() == rows.loc["plot"].tolist() == rows.loc["quadrat"].tolist() == site
    assert rows.loc["empty"].tolist() == [*site[:5], "empty"]
    assert rows.loc["own"].tolist() == ["4.0", "43.7", None, "2020", "France", None]
    assert rows.loc["half"].tolist() == ["3.9", "43.6", "2020-01-01", "2020", "France", None]  # a place is whole
    assert rows.loc["cruise"].tolist() == [None, None, None, "2019", "France", None]
    assert rows.loc["self"].tolist() == ["4.0", "43.7", None, "2018", None, None]
    for event in ("orphan", "a", "b"):
        assert rows.loc[event].tolist() == [None] * 6
    (line,) = odd(path)
    assert (line.rows, line.of) == (3, len(EVENTS))
    assert "name a parent that is missing or leads back to them" in line.what


def test_a_deep_tree_of_events_is_followed_once(tmp_path):
    depth = 20_000
    events = [("e0", "", "2019", "3.9", "43.6", "", "FR")]
    events += [(f"e{number}", f"e{number - 1}", "", "", "", "", "") for number in range(1, depth)]
    made = made_of(event_archive(tmp_path, events))
    assert made["lon"].eq("3.9").sum() == depth


def test_an_archive_of_events_without_its_ids_is_refused(tmp_path):
    files = {
        "meta.xml": meta(
            entity(TABS, fields(EVENT), "event.txt", "Event"),
            entity(TABS, fields(SEEN), "1.txt", tag="extension"),
        ),
        "event.txt": text([EVENT, *EVENTS]),
        "1.txt": text([SEEN]),
    }
    with pytest.raises(DataError, match=r"event.txt: found no <id>, expected the number of the column"):
        editions.recognise(packed(tmp_path, files))


def test_a_download_of_gbif_is_its_core_whatever_else_is_in_it(tmp_path):
    columns = ("gbifID", *COLUMNS[1:], "speciesKey")
    verbatim = entity(
        TABS, '<coreid index="0"/>' + fields(("x", "scientificName")), "verbatim.txt", "Occurrence", "extension"
    )
    media = entity(TABS, '<coreid index="0"/>', "multimedia.txt", "Multimedia", "extension")
    files = {
        "meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(columns)), verbatim, media),
        "occurrence.txt": text([columns, *((str(number), *row[1:], "7") for number, row in enumerate(ROWS))]),
        "verbatim.txt": "gbifID\tscientificName\n0\tchêne vert\n",
        "dataset/1.xml": "<eml/>",
    }
    made = made_of(packed(tmp_path, files))
    assert made[["surveyId", "speciesId", "speciesName"]].to_numpy().tolist() == [
        ["0", "7", "Quercus ilex"],
        ["1", "7", "Pinus pinea"],
    ]


def names(ranks_and_names, by="scientificName", **columns):
    n = len(ranks_and_names)
    frame = pd.DataFrame({name: [None] * n for name in _records.READS}, dtype=object)
    ranks, scientific = zip(*ranks_and_names, strict=True)
    frame = frame.assign(id="1", decimalLongitude="3.9", decimalLatitude="43.6", taxonRank=ranks, **columns)
    frame["scientificName"] = scientific
    made = _records.apply(
        frame.astype(object), id_column="id", by=(by,), bases=("OCCURRENCE",), max_uncertainty_m=1_000
    )
    return (made["fault_reason"] == _records.NOT_A_SPECIES).tolist()


SPECIES = (
    ("species", "Quercus ilex L."), ("SPECIES", "Quercus ilex"), ("subspecies", "Quercus ilex subsp. ilex"),
    ("var.", "Quercus ilex var. alba"), ("SPECIES_AGGREGATE", "Rubus fruticosus agg."), ("unranked", "BOLD:AAA1234"),
    (None, "Quercus ilex L."), (None, "Quercus × hispanica Lam."), (None, "Quercus ×hispanica"),
    (None, "Quercus cf. ilex"),
    (None, "Quercus sp. 1"), (None, "Carex sp. A"), (None, "QUIL"), (None, "chêne vert"), (None, "Holm Oak"),
    (None, "SH1234.08FU"), ("genus", None), (None, None),
)  # fmt: skip
ABOVE = (
    ("genus", "Quercus L."), ("GENUS", "Quercus"), ("Family", "Fagaceae"), ("subgenus", "Quercus subg. Cerris"),
    ("kingdom", "Plantae"), ("superfamily", "Apoidea"), ("gen.", "Quercus"), ("ordo", "Fagales"), ("tribe", "Bombini"),
    ("Section", "Quercus sect. Ilex"), (None, "Quercus"), (None, "Fagaceae Dumort."), (None, "Quercus L."),
    (None, "Canis Linnaeus, 1758"), (None, "Quercus sp."), ("species", "Quercus spp."), (None, "Quercus indet."),
)  # fmt: skip


def test_records_of_a_genus_or_a_family_are_not_identified_to_a_species():
    assert names(SPECIES) == [rank == "genus" for rank, _ in SPECIES]
    assert names(ABOVE) == [True] * len(ABOVE)
    assert names(ABOVE, species="Quercus ilex") == [False] * len(ABOVE)  # accepted as a species all the same
    assert names([("GENUS", "Quercus L."), ("SPECIES", "Quercus ilex")], "taxonKey", taxonKey="7") == [True, False]
    assert names([("SPECIES", "Quercus ilex"), (None, "Quercus")], "species", species=["Quercus ilex", None]) == [
        False,
        True,
    ]


def test_what_dates_and_countries_cost_is_counted_and_the_check_of_countries_can_be_turned_off(tmp_path):
    columns = (*COLUMNS, "countryCode")
    rows = [
        (*ROWS[0], "FR"),
        ("b", "Pinus pinea", "13.4", "52.5", "2019", "FR"),
        ("c", "Pinus pinea", "4.0", "43.7", "last summer", "FR"),
        ("d", "Pinus pinea", "4.0", "43.7", "31.2.2020", "FR"),
    ]
    files = {
        "meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(columns))),
        "occurrence.txt": text([columns, *rows]),
    }
    path = packed(tmp_path, files)
    made = made_of(path)
    assert made["fault_reason"].tolist() == [None, _records.COUNTRY, None, None]
    assert made["date"].tolist() == ["2019-05-03", None, None, None]
    dates, countries = odd(path)
    assert (dates.rows, dates.of, dates.example) == (2, 4, "a.zip/occurrence.txt line 4: 'last summer'")
    assert (countries.rows, countries.of) == (1, 4)
    assert countries.example == "a.zip/occurrence.txt line 3: 'FR at 13.4, 52.5'"
    assert made_of(path, config.Surveys(check_countries=False))["fault_reason"].isna().all()


def test_the_lines_of_a_wide_core_are_about_as_long_as_it_says(tmp_path):
    columns = (*COLUMNS, *(f"other{number}" for number in range(40)))
    rows = [(*ROWS[number % 2], *["much more text"] * 40) for number in range(3_000)]
    files = {
        "meta.xml": meta(entity(TABS, '<id index="0"/>' + fields(columns))),
        "occurrence.txt": text([columns, *rows]),
    }
    path = packed(tmp_path, files)
    ((table, _),) = editions.recognise(path).files
    actual = sum(len(line) + 1 for _, line in table.source.lines(path))
    assert table.source.size(path) == pytest.approx(actual, rel=0.05)
