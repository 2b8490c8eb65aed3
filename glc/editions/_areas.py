"""What the editions of 2020 and 2022 share: single-label occurrences of two areas, one file each and split."""

from glc.editions._base import Table

AREAS = {"fr": ("France", 3035), "us": ("United States", 5070)}
"""Area in the names of files -> its country and the EPSG code of its projection, metres."""


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
            one_row_per_survey=split == "test",
        )
        for split, dataset, columns in (
            ("train", "po", place | {"speciesId": species}),
            ("test", "po_test", place),
        )
        for area, (country, crs) in AREAS.items()
        for name in [f"{stem}_{area}_{split}.csv"]
    )
