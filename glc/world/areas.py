"""France and the USA of the occurrence world: two continents of one kind, each with its own fields.

Places have their real degrees, so that projections and files are as they should be. The fields are looked up in the
frame of the European world: the USA's places are moved there and meet another seed's fields.
"""

from dataclasses import dataclass

from glc.world import environment

MARGIN = 0.2
"""Degrees around the bounds that the rasters cover too: towns at the edge spread beyond it."""


@dataclass(frozen=True)
class Area:
    """One of the two: `code` as in file names, `bounds` in degrees (west, south, east, north).

    shift : degrees (east, north) into the frame of the fields; first_id : the smallest id of its occurrences
    share : of all occurrences
    """

    code: str
    bounds: tuple[float, float, float, float]
    shift: tuple[float, float]
    first_id: int
    share: float

    def frame(self, lon, lat):
        """Places (lon, lat) in the frame of the fields."""
        return lon + self.shift[0], lat + self.shift[1]

    def anywhere(self, rng, n):
        """`n` places drawn within the bounds, in the frame of the fields."""
        west, south, east, north = self.bounds
        return self.frame(rng.uniform(west, east, n), rng.uniform(south, north, n))

    def seed(self, world):
        """The seed of this area's fields."""
        return world.seed + AREAS.index(self)

    def environment(self, world, lon, lat):
        """`glc.world.environment.at` of the area's places (degrees)."""
        return environment.at(self.seed(world), *self.frame(lon, lat))


# 1.1 of the 1.9 million occurrences of 2020 are American (Deneu et al. 2020, section 2.1)
AREAS = (
    Area("fr", (-4.8, 41.4, 9.5, 51.1), (0.0, 0.0), 10_000_000, 0.42),
    Area("us", (-124.7, 24.5, -66.9, 49.4), (108.0, 16.0), 20_000_000, 0.58),
)
