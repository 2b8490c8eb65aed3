"""Codes of countries against places where maps, statistics and publishers differ."""

import numpy as np
import pytest

from glc.editions._countries import agree

RIGHT = {
    "overseas areas as the mother country's, and it as theirs": (
        ("FR", 55.5, -21.1), ("RE", 55.5, -21.1), ("FR", -61.5, 16.2), ("GF", -53.0, 4.0), ("NL", -68.3, 12.2),
        ("FR", 165.5, -21.5), ("NC", 165.5, -21.5), ("US", -66.5, 18.2), ("PR", -66.5, 18.2), ("US", 144.8, 13.45),
        ("DK", -7.0, 62.1), ("DK", -45.0, 64.0), ("GL", -45.0, 64.0), ("FI", 20.0, 60.2), ("AX", 20.0, 60.2),
        ("NO", 16.0, 78.5), ("SJ", 16.0, 78.5), ("GB", -2.1, 49.2), ("JE", -2.1, 49.2), ("GB", -4.5, 54.2),
        ("GB", -59.0, -51.7), ("AU", 167.95, -29.05), ("NZ", -159.78, -21.23),
    ),
    "the sea around them": (("US", -66.5, 17.0), ("FR", 162.0, -21.0), ("DK", -9.0, 63.0)),
    "parts that statistics count apart": (
        ("CN", 114.17, 22.4), ("HK", 114.17, 22.4), ("CN", 113.55, 22.15), ("CN", 121.0, 24.0), ("TW", 121.0, 24.0),
    ),
    "borders in dispute": (
        ("UA", 34.1, 44.95), ("RU", 34.1, 44.95), ("UA", 37.8, 48.0), ("RU", 37.8, 48.0), ("MA", -13.0, 26.0),
        ("EH", -13.0, 26.0), ("PS", 35.2, 31.9), ("IL", 35.2, 31.9), ("PS", 34.4, 31.4), ("SY", 35.8, 33.0),
        ("IL", 35.8, 33.0), ("IN", 74.3, 35.9), ("PK", 74.8, 34.1), ("CN", 91.9, 27.6), ("RU", 41.0, 43.0),
        ("AM", 46.75, 39.8), ("JP", 145.8, 44.0), ("SD", 36.5, 22.3), ("VE", -59.5, 6.0), ("AR", -59.0, -51.7),
        ("AR", -60.0, -75.0), ("SD", 31.6, 4.85),
    ),
    "states that not everybody recognises": (
        ("RS", 21.16, 42.66), ("XK", 21.16, 42.66), ("CY", 33.3, 35.3), ("TR", 33.3, 35.3), ("SO", 44.06, 9.56),
    ),
}  # fmt: skip
WRONG = (
    ("FR", 13.4, 52.5), ("UA", 37.6, 55.75), ("RU", 30.5, 50.45), ("CN", 139.7, 35.7), ("US", -99.0, 19.4),
    ("GB", 2.35, 48.86), ("MA", 3.0, 36.7), ("AU", 3.9, 43.6), ("DK", 10.75, 59.9), ("IL", 36.3, 33.5),
    ("PR", -70.0, 19.0), ("AR", 2.35, 48.86), ("US", -30.0, 40.0),
)  # fmt: skip


def arrays(rows):
    codes, lon, lat = zip(*rows, strict=True)
    return np.array(codes), np.array(lon), np.array(lat)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_place_agrees_with_every_code_that_is_in_use_for_it(kind):
    agreeing = agree(*arrays(RIGHT[kind]))
    assert [row for row, right in zip(RIGHT[kind], agreeing, strict=True) if not right] == []


def test_a_place_in_another_country_agrees_with_no_code():
    agreeing = agree(*arrays(WRONG))
    assert [row for row, right in zip(WRONG, agreeing, strict=True) if right] == []
