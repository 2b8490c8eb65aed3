"""Names of the files in the folder of a fitted experiment.

model.json         facts: format, version, experiment, dataset, provenance
README.md          the model card
surveys.parquet    the surveys it was fitted to, with their folds; labels of a test are not there
species.parquet    ids, names and numbers of records
decoder.npz        what decides how many species are predicted
calibration.npz    scores to presence rates
applicability.npz  area of applicability and error profile; optional
scorer/            what scores: of a net ``<fold>/model.ckpt``, of a stack ``members/<number>`` with its own scorer
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glc.errors import DataError, GlcError

FORMAT = 1
FACTS, CARD, SURVEYS, SPECIES = "model.json", "README.md", "surveys.parquet", "species.parquet"
DECODER, CALIBRATION = "decoder.npz", "calibration.npz"
SCORER, SETTINGS, MEMBERS, JOINED = "scorer", "experiment.json", "members", "joined"
SAVED, CLASSES, TABLE = "model", "classes.json", "table.npz"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file of the folder is read into a DataError that names it.

    path : the file, or the folder below which it is
    Folders are passed on from hand to hand, so that any of them may hold anything; the many readers cannot foresee it.
    """
    try:
        yield
    except GlcError:
        raise
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read as a part of a fitted experiment ({type(error).__name__}: {error}); copy the "
            "folder again, or fit the experiment again"
        ) from error
