"""Xiong 2024 (poster A15 of the Summer Research Fellowship): a general-purpose location encoder, after SatCLIP.

    python -m luigi --module tasks.location_2024 location_2024.Downstream --places FOLDER [--habitats FOLDER]
    python -m luigi --module tasks.location_2024 location_2024.Variants --places FOLDER --imagery GLOBE
    python -m luigi --module tasks.location_2024 location_2024.Localise --imagery GLOBE [--image FILE --at LON,LAT]
    python -m luigi --module tasks.location_2024 location_2024.Paper --places FOLDER --imagery GLOBE
    python -m luigi --module tasks.location_2024 location_2024.Species --dataset FOLDER --location-encoder PATH

GLOBE and the FOLDER of places may be virtual:globe; settings are in ``--experiment location-…``.

Experiments A and B of the poster: frozen embeddings, a small head per target. Variants (ours): the same for encoders
pre-trained without each target's bands. D: the place of an image tile.
Species (ours): the encoder as a feature of the species nets.
"""

from pathlib import Path

import luigi

from glc.config import Variant
from glc.report.markdown import Block, markdown, parse
from glc.tasks.location.encoder_file import location, location_encoder
from glc.tasks.location.globe import GlobeTask
from glc.tasks.location.localisation import REMARKS, Localisation, LocationErrors
from glc.tasks.location.tables import BenchmarksTask, LocationPictures, LocationTasks
from glc.tasks.location.variants import EncoderVariants
from glc.tasks.paper import PaperPage, PaperTable, table
from glc.tasks.parameters import CountParameter, DatasetParameter
from glc.tasks.tables import Row, SeedTable
from glc.types import JSON

luigi.namespace("location_2024", scope=__name__)

PAPER = "Xiong 2024"
"""The poster, as the descriptions of its experiments name it; it has no table whose figures could be compared."""


class Downstream(LocationTasks):
    """Country, precipitation, temperature, altitude, Köppen class and habitat from the coordinates alone."""

    title = "Downstream tasks of a location encoder (poster, experiments A and B)"
    published_in = PAPER
    remarks = (
        "The control is the same head on harmonics alone. Pre-training works only as far as the encoder beats both the "
        "control and the nearest places.",
        "raster-read: the same head on the bands of the nearest pixel at labelled coordinates: what the imagery itself "
        "knows.",
        "kriging: ordinary kriging with an exponential covariance (Cressie 1993) of the labels alone.",
        "blend: what the predictions are made of; here each fold uses the sources that the other folds choose.",
        "Poster, (A): accuracy of the country above 0.85, on its own random test set.",
    )


class Variants(EncoderVariants):
    """Downstream tasks of encoders with all bands, without the target's own, and without temperature and altitude."""

    tables = Downstream


class Localise(Localisation):
    """Tiles to places (experiment D of the poster): errors compared with the gallery's best possible and chance."""


class Paper(PaperPage, BenchmarksTask, GlobeTask):
    """The downstream tasks, their maps, the localisation and, with ``--location-encoder``, the species on one page."""

    paper_name = "location-2024"
    heading = "Location encoder 2024: contrast of places with satellite imagery"
    about = ("Xiong 2024, a poster, after SatCLIP.",)
    pretraining_seeds = EncoderVariants.pretraining_seeds
    threads = EncoderVariants.threads
    raster = EncoderVariants.raster
    dataset = DatasetParameter(
        default="virtual:tiny", significant=False, description="of the species: a dataset, or virtual:SIZE"
    )
    folds = CountParameter(default=2, description="folds of the species that are run, out of the ten of each scheme")

    def entries(self) -> list[PaperTable]:
        variants, errors = self.clone(Variants), self.clone(LocationErrors)
        entries = [
            PaperTable("downstream", Downstream.title, variants, made=variants.downstream),
            PaperTable(
                "maps", "Maps of errors and of embeddings", variants,
                made=lambda: variants.downstream().clone(LocationPictures), pictures=("*.svg",),
            ),
            PaperTable(
                "localise", "Geo-localisation (experiment D)", errors, blocks=_localised, pictures=("errors.svg",),
                later=True,
            ),
        ]  # fmt: skip
        if location().encoder:
            return [*entries, table("species", self.clone(Species))]
        why_not = "It needs an encoder that lasts: --location-encoder FILE (make: ENCODER=)."
        return [*entries, PaperTable("species", Species.title, None, why_not=why_not)]

    def further(self) -> list[str]:
        return [f"Encoders are those of {self.settings.name} on {self.imagery}; labelled places: {self.places}."]


def _localised(folder: Path) -> list[Block]:
    import pandas as pd

    return parse(markdown("Errors of tiles that are placed", pd.read_csv(folder / "metrics.csv"), REMARKS))


class Species(SeedTable):
    """What a location encoder adds to the geolocation net, compared with its control and raw coordinates."""

    title = "A location encoder as a feature of species nets"
    published_in = PAPER
    folds = CountParameter(default=5, description="folds that are run, out of the ten of each scheme")
    remarks = (
        "The control is the same net on the encoder's feature map without pre-training. Pre-training works only as "
        "far as the encoder beats it.",
        "Coordinates are displaced by 5 km on average while training; vectors of the encoder and the control are not.",
    )

    def all_rows(self) -> list[Row]:
        features = location_encoder()[1].choices["features"]
        control = [{"location": {"name": features.name, **features.options}}]
        encoder = [{"location": "encoder"}]
        coordinates, nothing = {"features": "coordinates"}, {"features": "none"}
        raw = "raw coordinates"
        nets: dict[str, dict[str, JSON]] = {
            raw: {"model": coordinates},
            f"{features.name} (control)": {"model": nothing, "inputs": control},
            "encoder": {"model": nothing, "inputs": encoder},
            f"{raw} + encoder": {"model": coordinates, "inputs": encoder},
            "fourier": {},
            "fourier + encoder": {"inputs": encoder},
        }
        rows = []
        for scheme in ("block", "random"):
            geolocation = Variant("geolocation").changed(validation={"scheme": scheme, "run": self.folds})
            for label, changes in nets.items():
                base = {raw: None, "fourier + encoder": "fourier"}.get(label, raw)
                rows.append(
                    Row(
                        f"{label}, {scheme} folds",
                        geolocation.changed(**changes),
                        over=base and f"{base}, {scheme} folds",
                    )
                )
        return rows
