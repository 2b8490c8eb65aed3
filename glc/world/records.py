"""A virtual download of GBIF: the world's presence-only records as a zipped Darwin Core archive, dirt included.

Scientific names, keys of species, places as uncertain as they say, absences, two datums, dates of every form, records
that are left out by choice (basis, uncertainty), and rows that are broken, each in its own way.
"""

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import basemap, geo
from glc.world import metadata, places, species
from glc.world.fields import generator

if TYPE_CHECKING:
    from glc.world import RecordWorld

ARCHIVE = "gbif.zip"
DOI = "10.5072/dl.virtual"  # the prefix for tests: it never leads anywhere
ED50 = 4230
_COLUMNS = {
    "gbifID": "http://rs.gbif.org/terms/1.0/gbifID",
    "license": "http://purl.org/dc/terms/license",
    **{
        name: f"http://rs.tdwg.org/dwc/terms/{name}"
        for name in (
            "occurrenceID", "basisOfRecord", "occurrenceStatus", "individualCount", "eventDate", "year", "month", "day",
            "countryCode", "decimalLatitude", "decimalLongitude", "coordinateUncertaintyInMeters", "geodeticDatum",
            "scientificName", "taxonRank",
        )
    },
    **{
        name: f"http://rs.gbif.org/terms/1.0/{name}"
        for name in ("taxonKey", "acceptedScientificName", "speciesKey", "species")
    },
}  # fmt: skip
_LICENCES = ("CC_BY_4_0", "CC_BY_NC_4_0", "CC0_1_0")
_BASES = ("HUMAN_OBSERVATION", "PRESERVED_SPECIMEN", "FOSSIL_SPECIMEN", "LIVING_SPECIMEN")
_STARTS = (
    "Al",
    "Ber",
    "Cal",
    "Dra",
    "Epi",
    "Fes",
    "Gen",
    "Hel",
    "Iso",
    "Lin",
    "Mal",
    "Oro",
    "Pru",
    "Sal",
    "Tri",
    "Ver",
)
_MIDDLES = ("a", "bi", "ca", "do", "li", "mo", "ni", "ra", "so", "the", "ve", "xi")
_ENDS = ("alis", "ata", "ensis", "ifolia", "ina", "osa", "oides", "ula")
_AUTHORS = ("L.", "Mill.", "DC.", "Lam.", "(L.) Desf.", "Waldst. & Kit.")
_EPOCH = (2020, 1, 1, 0, 0, 0)


def write(world: "RecordWorld", folder: Path) -> None:
    """Write ``gbif.zip`` into `folder`."""
    text = io.StringIO()
    records(world).to_csv(text, sep="\t", index=False, lineterminator="\n", quoting=3)
    lines = _broken(world, text.getvalue().split("\n"))
    with zipfile.ZipFile(Path(folder) / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("meta.xml", _meta()),
            ("metadata.xml", _metadata(world)),
            (
                "citations.txt",
                f"Please cite this data as follows: GBIF.org Occurrence Download https://doi.org/{DOI}\n",
            ),
            ("rights.txt", "Rights as supplied: see the licence of each record\n"),
            ("occurrence.txt", "\n".join(lines)),
        ):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content.encode())


def records(world: "RecordWorld") -> pd.DataFrame:
    """The rows of the core as text, before some are broken: a frame with the columns of ``occurrence.txt``."""
    plain = world.as_world
    visits = places.po(plain)
    niches = species.niches(plain)
    rows, ids = metadata.po_records(plain, visits, niches)
    order = generator(world.seed, "record order").permutation(len(rows))
    rows, ids = rows[order], ids[order]
    rng, n = generator(world.seed, "records"), len(rows)
    absent = rng.random(n) < 0.03
    # what is not there, somebody looked for: any species at all, hardly ever one that lives there
    ids = np.where(absent, rng.permutation(world.n_species)[rng.integers(0, world.n_species, n)], ids)
    lon, lat = visits.lon.to_numpy()[rows], visits.lat.to_numpy()[rows]
    uncertainty = _uncertainty(rng, len(visits))[rows]
    lon, lat = _displaced(generator(world.seed, "places"), visits, uncertainty, rows, lon, lat)
    country = _country_codes(lon, lat)
    datum = np.where(rng.random(len(visits)) < 0.08, "ED50", "WGS84")[rows]
    old = datum == "ED50"
    lon[old], lat[old] = _to_ed50(lon[old], lat[old])
    names = scientific_names(world.n_species)
    keys = 2_000_000 + 7 * ids
    frame = pd.DataFrame(
        {
            "gbifID": 900_000_000 + np.arange(n),
            "license": rng.choice(_LICENCES, n, p=[0.5, 0.4, 0.1]),
            "occurrenceID": [f"urn:virtual:{number}" for number in range(n)],
            "basisOfRecord": rng.choice(_BASES, n, p=[0.9, 0.08, 0.01, 0.01]),
            "occurrenceStatus": np.where(absent, "ABSENT", "PRESENT"),
            "individualCount": "",
            "countryCode": country,
            "decimalLatitude": [f"{value:.6f}" for value in lat],
            "decimalLongitude": [f"{value:.6f}" for value in lon],
            "coordinateUncertaintyInMeters": [f"{value:.1f}" if value else "" for value in uncertainty],
            "geodeticDatum": datum,
            "scientificName": [names[number] for number in ids],
            "acceptedScientificName": [names[number] for number in ids],
            "taxonKey": keys,
            "speciesKey": keys,
            "species": [" ".join(names[number].split()[:2]) for number in ids],
            "taxonRank": "SPECIES",
            **_dates(generator(world.seed, "dates"), visits.year.to_numpy(), rows),
        }
    )
    return frame[[*_COLUMNS]].astype(str)


def scientific_names(count: int) -> list[str]:
    """`count` different names of virtual species, with their authors."""
    made = []
    for number in range(count):
        genus, rest = number % len(_STARTS), number // len(_STARTS)
        middle, rest = rest % len(_MIDDLES), rest // len(_MIDDLES)
        end, rest = rest % len(_ENDS), rest // len(_ENDS)
        epithet = (
            f"{_MIDDLES[(genus + rest) % len(_MIDDLES)]}{_MIDDLES[rest // len(_MIDDLES) % len(_MIDDLES)]}{_ENDS[end]}"
        )
        name = f"{_STARTS[genus]}{_MIDDLES[middle]}nia {epithet}"
        made.append(f"{name} {_AUTHORS[number % len(_AUTHORS)]}")
    return made


def _uncertainty(rng, n):
    """Metres, 0 where the record does not say; some beyond what is of use."""
    kind = rng.choice(5, n, p=[0.3, 0.45, 0.17, 0.06, 0.02])
    draws = [np.zeros(n), rng.uniform(3, 100, n), rng.uniform(100, 1_000, n), rng.choice([3_536.0, 7_071.0], n)]
    return np.round(np.choose(kind, [*draws, np.full(n, 30_000.0)]), 1)


def _displaced(rng, visits, uncertainty, rows, lon, lat):
    """Places as recorded: drawn evenly from the circle of their uncertainty, one for each visit."""
    angle, radius = rng.uniform(0, 2 * np.pi, len(visits))[rows], np.sqrt(rng.random(len(visits)))[rows] * uncertainty
    north = np.degrees(radius * np.sin(angle) / geo.EARTH_RADIUS_M)
    east = np.degrees(radius * np.cos(angle) / geo.EARTH_RADIUS_M) / np.cos(np.radians(lat))
    return lon + east, lat + north


def _country_codes(lon, lat):
    """Two letters of the real countries at the places, empty at sea and where ISO has none."""
    import pycountry

    numbers = basemap.world().country_at(lon, lat)
    codes = {country.numeric: country.alpha_2 for country in pycountry.countries}
    known = np.array([codes.get(number, "") for number in basemap.world().id] + [""])
    return known[numbers]


def _to_ed50(lon, lat):
    from pyproj import Transformer

    moved = Transformer.from_crs(4326, ED50, always_xy=True).transform(lon, lat)
    return np.asarray(moved[0]), np.asarray(moved[1])


def _dates(rng, years, rows):
    """eventDate in every form that the standard has, with year, month and day; the same for all records of a visit."""
    n = len(years)
    month, day, kind = (
        rng.integers(1, 13, n),
        rng.integers(1, 28, n),
        rng.choice(6, n, p=[0.6, 0.15, 0.08, 0.06, 0.08, 0.03]),
    )
    made = []
    for y, m, d, form in zip(years, month, day, kind, strict=True):
        full = f"{y}-{m:02d}-{d:02d}"
        forms = (full, f"{full}T10:30:00Z", full[:7], f"{y}", f"{full}/{y}-{m:02d}-{d + 1:02d}", "")
        made.append((forms[form], f"{y}" if form < 5 else "", f"{m}" if form < 3 else "", f"{d}" if form < 2 else ""))
    columns = np.array(made, object)[rows].T
    return dict(zip(("eventDate", "year", "month", "day"), columns, strict=True))


def _broken(world, lines):
    """The lines with one in fifty broken, in ten ways."""
    rng = generator(world.seed, "broken")
    columns = [*_COLUMNS]
    changes = [
        {"decimalLatitude": ""},
        {"decimalLongitude": "4°54'"},
        {"decimalLatitude": "0", "decimalLongitude": "0"},
        {"countryCode": "AU"},
        {"geodeticDatum": "my own"},
        {"eventDate": "spring", "year": ""},
        {"eventDate": "2019-02-31"},
        {"occurrenceStatus": "doubtful"},
        {"speciesKey": "", "taxonRank": "GENUS"},
        {},
    ]
    for line in np.flatnonzero(rng.random(len(lines) - 2) < 0.02) + 1:
        fields = lines[line].split("\t")
        change = changes[line % len(changes)]
        for name, value in change.items():
            fields[columns.index(name)] = value
        lines[line] = "\t".join(fields if change else fields[:7])
    return lines


def _meta():
    fields = "".join(f'    <field index="{i}" term="{term}"/>\n' for i, term in enumerate(_COLUMNS.values()))
    return (
        '<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="metadata.xml">\n'
        '  <core encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" '
        'ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Occurrence">\n'
        '    <files>\n      <location>occurrence.txt</location>\n    </files>\n    <id index="0"/>\n'
        f"{fields}  </core>\n</archive>\n"
    )


def _metadata(world):
    return (
        '<eml:eml xmlns:eml="eml://ecoinformatics.org/eml-2.1.1">\n  <dataset>\n'
        f"    <alternateIdentifier>https://doi.org/{DOI}</alternateIdentifier>\n"
        f"    <title>GBIF Occurrence Download of the virtual world {world.name}</title>\n"
        "    <intellectualRights>\n      <para>Each record has a licence.</para>\n    </intellectualRights>\n"
        "  </dataset>\n</eml:eml>\n"
    )
