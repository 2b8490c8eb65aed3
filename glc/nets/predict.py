"""A trained net's scores of its validation fold and of the test."""

import numpy as np
from scipy import sparse
from tqdm import tqdm

from glc import labels, storage
from glc.nets import examples, trainer
from glc.prediction import scores as score_tables
from glc.surveys import TEST


def write(fit_folder, examples_folder, data, out, *, fold, keep):
    """Write ``valid`` (the surveys of `fold`) and ``test`` scores under `out`; data : `glc.surveys.SurveyData`."""
    classes = examples.read_classes(examples_folder)
    counts = {}
    for name, rows, number in (("valid", data.valid(fold), fold), ("test", data.test, TEST)):
        places = data.places.iloc[rows]
        blocks = trainer.predict_blocks(
            fit_folder / trainer.CHECKPOINT,
            places["easting"].to_numpy(),
            places["northing"].to_numpy(),
            places["surveyId"].to_numpy(),
        )
        kept = [score_tables.keep_best(block, keep) for block in tqdm(blocks, desc=f"scores {name}", leave=False)]
        matrix = labels.widen(sparse.vstack(kept, format="csr", dtype=np.float32), classes, data.species)
        counts[f"{name}_rows"] = score_tables.write(score_tables.of_rows(data, rows, number, matrix), out / name)
    storage.note(out, **counts)
