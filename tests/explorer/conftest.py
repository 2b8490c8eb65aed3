"""A finished map of known scores, the model folder that it was made from, and the explorer of them."""

import base64
import json
import zlib
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glc import geo
from glc.explorer import site
from glc.explorer.finished import FinishedMap
from glc.fitted import layout, surveys
from glc.maps import distribution
from glc.maps import grid as grids
from glc.maps.cover import CoverOptions
from glc.maps.origin import Origin
from tests import helpers
from tests.maps.scorers import SyntheticScorer

HOSTILE = "<script>alert(1)</script>\u2028 &amp; \"Quercus\" 'ilex'"
TITLE = "votes on </script><img src=x>"
CENTRE = (2.8, 46.5)


class Scorer(SyntheticScorer):
    """Its area of applicability lies around the surveys of `helpers`, and one species has a hostile name."""

    def __init__(self, species, relative=False):
        super().__init__(species, relative=relative, centre=CENTRE)
        self.species.loc[1, "name"] = HOSTILE

    def applicability(self, places, values=None):
        distance_m = geo.great_circle_m(places["lon"], places["lat"], *CENTRE)
        frame = super().applicability(places, values)
        inside = frame["inside"].mask(distance_m < 1e9, distance_m < 60_000).mask(distance_m > 150_000)
        return frame.assign(
            dissimilarity=distance_m / 1e5,
            inside=inside,
            distance_to_training_m=distance_m,
            expected_f1=np.exp(-distance_m / 1e5),
        )


def write_model(folder, relative=False):
    """The files of a fitted experiment that an explorer reads, and its surveys."""
    data = helpers.records_alone() if relative else helpers.survey_data()
    data.places["year"] = 2019
    data.places.loc[3, "year"] = None
    folder.mkdir(parents=True, exist_ok=True)
    surveys.write(data, folder / layout.SURVEYS)
    pq.write_table(pa.table({"speciesId": data.species}), folder / layout.SPECIES)
    citation = {"doi": "10.15468/dl.abc", "title": "Plots & <b>more</b>", "licences": {"CC0": 7}}
    (folder / layout.FACTS).write_text(json.dumps({"scores": "validation F1 0.5", "citation": citation}))
    return data


def write_map(folder, *, crs="EPSG:3035", resolution=8000, relative=False, species=7):
    """A map without its preview."""
    folder.mkdir(parents=True, exist_ok=True)
    scorer = Scorer(species, relative)
    origin = Origin(
        title=TITLE, dataset="plots", experiment="votes", provenance={"map": "0123456789ab"}, years=(2012, 2019)
    )
    grid = grids.of_bounds((1.0, 45.2, 4.2, 47.6), crs, resolution)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distribution.preview, "write", lambda *words: None)
        distribution.write(
            scorer,
            grid,
            # west of the sea, and south of a mask's edge: some cells have no prediction
            CoverOptions(aoi=_area(folder.with_name("area.geojson"))),
            range(species),
            origin,
            folder,
            folder.with_name(f"{folder.name}-parts"),
            lambda *words: None,
            lambda *words: None,
        )


def _area(path):
    ring = [[0, 45.4], [5, 45.4], [5, 48], [0, 48], [0, 45.4]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return str(path)


def make(folder, **options):
    """A map, its model and its explorer below `folder`: finished, data, out, facts."""
    data = write_model(folder / "model", options.get("relative", False))
    write_map(folder / "map", **options)
    finished = FinishedMap(folder / "map", folder / "model")
    out = folder / "site"
    out.mkdir()
    facts = site.write(finished, finished.species, out, lambda *words: None)
    return SimpleNamespace(finished=finished, data=data, out=out, facts=facts)


@pytest.fixture(scope="session")
def explored(tmp_path_factory):
    """A projected map, with hostile names, as an explorer."""
    return make(tmp_path_factory.mktemp("explored"))


def read_script(path):
    """What a script of values hands to the page: its name and content."""
    text = path.read_text(encoding="ascii")
    name, _, content = text.removeprefix("glc.put(").removesuffix(");\n").partition(",")
    return json.loads(name), json.loads(content)


def unpack(content):
    """The flat numbers of `encode.array`, as the page computes them."""
    width = content["bytes"]
    ranks = np.frombuffer(zlib.decompress(base64.b64decode(content["data"])), np.uint8).reshape(width, -1)
    steps = np.ascontiguousarray(ranks.T).view(f"u{width}").reshape(-1, content["cols"])
    values = np.cumsum(steps, axis=1, dtype=steps.dtype)
    return (values.view(f"i{width}") if content["signed"] else values).ravel()


def values(explored, name):
    """The numbers of a file of the site, by its name below ``data``."""
    return unpack(read_script(explored.out / site.FOLDER / "data" / f"{name}.js")[1])
