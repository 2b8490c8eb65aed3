"""Write the folder of a fitted experiment."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import __version__, config, geo, labels, registry
from glc.fitted import card, layout, scorers, surveys
from glc.prediction import decode, sets
from glc.prediction.blocks import Table
from glc.surveys import SurveyData
from glc.types import JSON, Facts


def write(
    source: scorers.Source,
    data: SurveyData,
    out: Path,
    *,
    decoder: Path | None,
    names: pd.DataFrame | None = None,
    facts: Mapping[str, JSON],
) -> Facts:
    """Write a fitted experiment into the existing folder `out`; returns the facts of its ``model.json``.

    source : what scores it
    data : the surveys that it was fitted to
    decoder : file of what the decoder learned; None for a model without sets
    names : frame of schema ``species``; None where the dataset names no species
    facts : of dataset, provenance and inputs
    """
    scorers.write(source, out / layout.SCORER)
    surveys.write(data, out / layout.SURVEYS)
    species = _species(data, names)
    pq.write_table(pa.Table.from_pandas(species, preserve_index=False), out / layout.SPECIES, compression="zstd")
    if decoder is not None:
        (out / layout.DECODER).write_bytes(decoder.read_bytes())
        decode.save(_calibration(source.scores, data), out / layout.CALIBRATION)
    train = data.places.iloc[data.train()]
    written: Facts = {
        "format": layout.FORMAT,
        "glc": __version__,
        "experiment": source.settings.name,
        "kind": registry.models.get(source.settings.model.name).kind,
        "relative": data.relative,
        "training_surveys": len(train),
        "presence_only_surveys": len(data.presence_only),
        "species": len(species),
        "bounds": list(geo.bounds(train["lon"], train["lat"])),
        "crs": int(train["crs"].mode().iloc[0]),
        **facts,
    }
    (out / layout.FACTS).write_text(json.dumps(written, indent=1, default=str) + "\n", encoding="utf-8")
    (out / layout.CARD).write_text(card.render(written, source.settings), encoding="utf-8")
    return written


def _species(data, names):
    trained = np.concatenate([data.train(), data.presence_only])
    records = np.asarray(data.labels_of(trained).sum(axis=0, dtype=np.int64)).ravel()
    frame = pd.DataFrame({"speciesId": data.species.astype(np.int32)})
    columns = {name: pd.Series(None, range(len(frame)), "string") for name in ("name", "key")}
    if names is not None:
        known = names.set_index("speciesId").reindex(frame["speciesId"])
        columns = {name: known[name].astype("string").reset_index(drop=True) for name in columns}
    return frame.assign(**columns, records=records)


def _calibration(scores, data):
    """The curve from score to presence rate of all validation surveys, and how unevenly rich they are."""
    valid = Table(scores / "valid")
    rows = data.rows_of(valid.surveys, data.train_name)
    actual = labels.widen(data.labels_of(rows), data.species, valid.species)
    decoder = decode.make(config.Choice("expected_f1"))
    together = sets.statistics(valid, actual, np.zeros(len(valid), int), decoder)
    return decoder.learn(together[0])
