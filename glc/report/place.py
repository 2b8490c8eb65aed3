"""A place on a command line."""

import argparse


def parse_place(text: str) -> tuple[float, float]:
    """(lon, lat) in degrees of ``LON,LAT``; what is not that, argparse refuses with an example."""
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected LON,LAT in degrees, such as 7.1,43.7") from None
    return lon, lat
