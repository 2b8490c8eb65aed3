import numpy as np

from glc.sdm import coordinates
from glc.sdm.sites import presence_only
from tests.sdm import world


def bounded(seed=0):
    """Species that live west of a line, and north of one, which no covariate tells."""
    rng = np.random.default_rng(seed)
    table = world.places(rng, 400)
    present = np.stack([table["x"] < 40_000, table["y"] > 60_000], axis=1) & (rng.random((400, 2)) < 0.5)
    return presence_only(
        world.records(table, present, ["west", "north"]), world.places(rng, 500), ["west", "north"], ["warm", "wet"]
    )


def test_blocks_are_held_out_whole():
    table = world.places(np.random.default_rng(0), 3000)
    fold = coordinates.folds(table, blocks=5)
    assert set(fold) == set(range(coordinates.FOLDS))
    # places within 100 m of each other are in one fold, but for the few that a line of the grid parts
    near = table.assign(x=table["x"] + 100)
    assert (
        coordinates.folds(table, blocks=5) == coordinates.folds(near, blocks=5)
    ).all()  # the grid goes with the extent
    cell = (table[["x", "y"]] // 500).astype(int).apply(tuple, axis=1)
    assert np.mean([len(set(part)) == 1 for _, part in table.assign(fold=fold).groupby(cell)["fold"]]) > 0.95


def test_the_place_joins_where_ranges_have_bounds_that_the_covariates_leave_out():
    found = coordinates.joins([bounded(), bounded(1)])
    assert found["joins"]
    assert found["auc_with"] > found["auc_without"] + 0.1
    assert found["species"] == 4


def test_the_place_stays_out_where_the_covariates_say_all():
    assert not coordinates.joins([world.group(n=400).examples])["joins"]


def test_of_very_many_species_some_are_asked(monkeypatch):
    monkeypatch.setattr(coordinates, "SPECIES", 2)
    assert coordinates.joins([bounded(), bounded(1)])["species"] == 2


def test_cross_validation_never_scores_what_it_trained_on():
    class Model:
        def scores(self, groups, place):
            for examples, sites in groups:
                assert not set(examples.table.index) & set(sites.index)
            return [np.tile(sites["x"].to_numpy()[:, None], len(e.species)) for e, sites in groups]

    examples = bounded()
    found = coordinates.cross_validated(Model(), [examples], False, [coordinates.folds(examples.table)])
    assert found[0] < 0.35  # lives where x is small
    assert abs(found[1] - 0.5) < 0.1
