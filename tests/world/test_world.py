import dataclasses

import pytest

from glc import world
from glc.errors import DataError
from glc.world import fields, places, species

TINY = dataclasses.replace(world.SIZES["tiny"], n_pa=150, n_test=30, n_pa_rows=1_800, raster_step=1.0)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def forget():
    world_caches = (places.pa, species.niches, fields._grid)
    for cached in world_caches:
        cached.cache_clear()


def test_the_same_bytes_from_the_same_seed_whatever_was_written_before(tmp_path):
    world.write(TINY, tmp_path / "all", world.PARTS)
    together = contents(tmp_path / "all")
    forget()
    for part in reversed(world.PARTS):
        world.write(TINY, tmp_path / "one", (part,))
    assert contents(tmp_path / "one") == together
    assert len(together) > 300
    other = dataclasses.replace(TINY, seed=1)
    world.write(other, tmp_path / "other", ("metadata",))
    name = "PresenceAbsenceSurveys/GLC24-PA-metadata-train.csv"
    assert contents(tmp_path / "other")[name] != together[name]


def test_a_folder_with_another_world_is_refused(tmp_path):
    world.write_cubes(TINY, tmp_path)
    with pytest.raises(DataError, match=r"world\.json: holds another virtual world"):
        world.write_cubes(dataclasses.replace(TINY, seed=1), tmp_path)


def test_an_unknown_part_is_refused(tmp_path):
    with pytest.raises(DataError, match="unknown part 'tiles' of a virtual world; expected: metadata, rasters"):
        world.write(TINY, tmp_path, ("tiles",))
    assert contents(tmp_path) == {}


def test_sizes():
    small, glc24 = world.SIZES["small"], world.SIZES["glc24"]
    assert (small.n_pa >= 6_000, small.n_po_rows, small.n_species, small.n_test >= 800) == (True, 60_000, 800, True)
    assert (glc24.n_pa, glc24.n_pa_rows, glc24.n_test) == (88_987, 1_483_637, 4_716)
    assert (glc24.n_po_rows, glc24.n_po_surveys, glc24.n_species, glc24.n_pa_species) == (
        5_079_797,
        3_845_533,
        11_255,
        5_016,
    )
