"""What the editions of 2020 and 2022 share: single-label occurrences of two areas, one file each and split."""

from glc.editions._base import Table

AREAS = {
    "fr": ("France", 3035, (-8.0, 39.0, 12.0, 54.0)),
    "us": ("United States", 5070, (-128.0, 22.0, -63.0, 52.0)),
}
"""Area in the names of files -> its country, the EPSG code of its projection, bounds in degrees with some margin."""


def tables(stem, place, species):
    """The four tables ``STEM_{fr,us}_{train,test}.csv``, in a folder `stem` or next to it.

    place : surveyId, lon and lat -> their columns; species : the column of the label, which tests lack
    """
    return tuple(
        Table(
            dataset,
            (f"{stem}/{name}", name),
            columns,
            separator=";",
            constants={"country": country},
            crs=crs,
            bounds=bounds,
            one_row_per_survey=split == "test",
        )
        for split, dataset, columns in (
            ("train", "po", place | {"speciesId": species}),
            ("test", "po_test", place),
        )
        for area, (country, crs, bounds) in AREAS.items()
        for name in [f"{stem}_{area}_{split}.csv"]
    )
