"""A place on a command line."""

import argparse


def parse_place(text: str) -> tuple[float, float]:
    """(lon, lat) in degrees of ``LON,LAT``; what is not that, or not on Earth, argparse refuses with an example."""
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected LON,LAT in degrees, such as 7.1,43.7") from None
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        raise argparse.ArgumentTypeError(
            f"found {text!r}, expected degrees within ±180 and ±90, lon first, such as 7.1,43.7"
        )
    return lon, lat
