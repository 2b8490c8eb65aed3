"""The site's files: all of them are made, and their size is known, before the first is written."""

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np

from glc.errors import ConfigError
from glc.explorer import description, encode, geography
from glc.explorer.finished import FinishedMap, Species
from glc.maps.geotiff import NODATA, tiles
from glc.maps.grid import Block
from glc.types import JSON, Facts, Say

FOLDER = "index.files"
"""Folder of everything except the page itself."""
LIMIT_BYTES = 200 * 10**6
"""Largest size of a site: what a browser, a mail or a web host still takes."""
_HERE = Path(__file__).parent
_PAGE = ("explorer.css", "data.js", "places.js", "layers.js", "panel.js", "main.js")
_LEAFLET = ("leaflet.js", "leaflet.css", "LICENSE")
NO_COLOUR, LAST_COLOUR = 255, 254
"""Of a species' layer of 8 bits: no prediction, and the highest value."""
_NUMBERS = 1_000_000
"""Probabilities of a block, at most, so that a click answers at once."""
_SIDES = (128, 64, 32, 16, 8)


def write(finished: FinishedMap, species: Sequence[Species], out: Path, say: Say, limit: int = LIMIT_BYTES) -> Facts:
    """Write the site of a map into the existing folder `out`.

    finished : the map
    species : those of it that are shown
    say : takes lines about what is being done
    limit : bytes; a larger site is refused before anything is written
    returns : facts for the manifest
    raises : ConfigError for a site that is too large
    """
    files = _Files(finished, len(species), limit)
    _page(files, finished)
    side = next((side for side in _SIDES if side * side * len(species) <= _NUMBERS), _SIDES[-1])
    layers = _layers(files, finished)
    highest = []
    for number, entry in enumerate(species):
        if number % 20 == 0:
            say(f"layer {number + 1:,} of {len(species):,} species", 5 + 40 * number / len(species))
        values = finished.band(entry)
        highest.append(int(np.where(values == NODATA, 0, values).max()))
        files.add(f"species/{number}", encode.array(eight_bits(values, highest[-1])))
        files.made += finished.grid.cells
    blocks = _blocks(finished, side)
    for number, block in enumerate(blocks):
        if number % 20 == 0:
            say(f"block {number + 1:,} of {len(blocks):,} of cells", 45 + 45 * number / len(blocks))
        name = f"blocks/{block.row // side}-{block.col // side}"
        files.add(name, encode.array(finished.window(species, block)))
        files.made += 2 * block.rows * block.cols * len(species)
    files.add("surveys", _surveys(finished))
    files.add("basemap", geography.outline(finished.grid))
    files.add("site", description.describe(finished, species, highest, side, layers))
    say("writing the site", 92)
    for name, content in files.content.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    return {"species": len(species), "blocks": len(blocks), "bytes": files.size, "files": len(files.content)}


class _Files:
    """The files of a site in memory; a ConfigError tells of too many bytes as soon as there are too many.

    made : bytes of values so far, before they were packed
    """

    def __init__(self, finished: FinishedMap, species: int, limit: int) -> None:
        self.content: dict[str, bytes] = {}
        self.size, self.made, self.limit = 0, 0, limit
        self._folder, self._species, self._cells = finished.folder, species, finished.grid.cells

    def add(self, name: str, content: JSON) -> None:
        """A script of values."""
        self.put(f"{FOLDER}/data/{name}.js", encode.script(name, content))

    def put(self, path: str, content: bytes) -> None:
        """A file as it is."""
        self.content[path] = content
        self.size += len(content)
        if self.size > self.limit:
            share = self.made / (3 * self._species * self._cells)
            megabytes = self.size / min(share or 1, 1) / 1e6
            raise ConfigError(
                f"{self._folder}: an explorer of {self._species:,} species at {self._cells:,} cells takes about "
                f"{megabytes:,.0f} MB, expected at most {self.limit / 1e6:,.0f} MB; choose fewer species (glc explore "
                "… --species ID,NAME,…) or map a coarser grid (glc map … --resolution METRES)"
            )


def eight_bits(values: np.ndarray, highest: int) -> np.ndarray:
    """Stored probabilities as colours: 0 to `LAST_COLOUR` for 0 to `highest`, `NO_COLOUR` where there is none."""
    shares = values.astype(np.float64) * (LAST_COLOUR / max(highest, 1))
    return np.where(values == NODATA, NO_COLOUR, np.rint(shares)).astype(np.uint8)


def _page(files, finished):
    for name in _PAGE:
        files.put(f"{FOLDER}/{name}", (_HERE / "page" / name).read_bytes())
    for name in _LEAFLET:
        files.put(f"{FOLDER}/leaflet/{name}", (_HERE / "leaflet" / name).read_bytes())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "page"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("index.html.j2")
    files.put("index.html", page.render(title=finished.item["properties"]["title"], files=FOLDER).encode())


def _layers(files, finished):
    """Write the layers that are not of one species; returns their scales by name, of those that have a value."""
    scales = {}
    for name in ("richness", "applicability"):
        for text, _, values in finished.layers(name):
            known = finished.predicted & np.isfinite(values)
            if text == "inside":
                inside = np.where(known, np.where(known, values, 0), 2)  # 2: not known
                files.add("grids/inside", encode.array(np.where(finished.predicted, inside, 255).astype(np.uint8)))
            elif known.any():
                scales[text] = max(float(values[known].max()), 1e-9) / (NODATA - 1)
                stored = np.full(values.shape, NODATA, np.uint16)
                stored[known] = np.rint(values[known].astype(np.float64) / scales[text])
                files.add(f"grids/{text}", encode.array(stored))
    return scales


def _blocks(finished, side):
    """Blocks with a predicted cell, those of a file's tile after each other: each tile is unpacked once."""
    rows, cols = finished.grid.shape
    return [
        Block(row, col, min(side, rows - row), min(side, cols - col))
        for tile in tiles(finished.grid)
        for row in range(tile.row, tile.row + tile.rows, side)
        for col in range(tile.col, tile.col + tile.cols, side)
        if finished.predicted[row : row + side, col : col + side].any()
    ]


def _surveys(finished):
    """Training surveys from west to east: millionths of a degree, sixty-fourths of a cell, id, year and species."""
    frame = finished.training.sort_values(["lon", "lat", "surveyId"], ignore_index=True)
    col, row = geography.cells(finished.grid, frame["lon"].to_numpy(), frame["lat"].to_numpy())
    ids = frame["surveyId"].to_numpy(np.int64)
    columns = {
        "lon": np.rint(frame["lon"].to_numpy() * 1e6),
        "lat": np.rint(frame["lat"].to_numpy() * 1e6),
        "col": np.rint(np.clip(np.nan_to_num(col, nan=-1e7), -1e7, 1e7) * 64),
        "row": np.rint(np.clip(np.nan_to_num(row, nan=-1e7), -1e7, 1e7) * 64),
        # ids have up to 53 bits in JavaScript
        "idMillions": ids // 1_000_000,
        "idRest": ids % 1_000_000,
        "year": frame["year"].to_numpy(),
        "species": frame["species"].to_numpy(),
    }
    return {name: encode.array(np.asarray(values).astype(np.int32)) for name, values in columns.items()}
