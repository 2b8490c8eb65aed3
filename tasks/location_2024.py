"""Xiong 2024 (poster A15 of the Summer Research Fellowship): a general-purpose location encoder, after SatCLIP.

    python -m luigi --module tasks.location_2024 location_2024.Downstream --places FOLDER [--habitats FOLDER]

Experiments A and B of the poster: frozen embeddings, a small head a target.
"""

from glc.tasks.location_tables import LocationTasks


class Downstream(LocationTasks):
    """Country, precipitation, temperature, altitude, Köppen class and habitat from the place alone."""

    task_namespace = "location_2024"
    title = "Downstream tasks of a location encoder (poster, experiments A and B)"
    remarks = (
        "The control is the same head on harmonics alone. Only what is above it and above the nearest places shows "
        "that pre-training works.",
        "raster-read: the same head on the bands of the nearest pixel, of labelled places alone; what the imagery "
        "itself knows.",
        "blend: its sources are chosen on the very folds that judge it here, so its figure is a little too good.",
        "Poster, (A): accuracy of the country above 0.85, on a random test set of its own.",
    )
