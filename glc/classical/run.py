"""Run a classical model over the validation folds and the test."""

from glc import storage
from glc.prediction import scores as score_tables
from glc.surveys import TEST


def write(model, data, out, *, folds, keep, neighbours=None, progress=print):
    """Write ``valid`` (each fold scored from the others) and ``test`` (scored from all training surveys) under `out`.

    model : a classical model; data : `glc.surveys.SurveyData`; neighbours : frame of schema ``neighbours`` or None
    """
    folds = list(folds)
    parts = {}
    for done, fold in enumerate([*folds, TEST]):
        progress(
            f"{model.name}: scoring {'the test' if fold == TEST else f'fold {fold}'}", 100 * done // (len(folds) + 1)
        )
        queries = data.test if fold == TEST else data.valid(fold)
        matrix = model.scores(data, None if fold == TEST else fold, queries, neighbours)
        parts[fold] = score_tables.of_rows(data, queries, fold, score_tables.keep_best(matrix, keep))
    storage.note(
        out,
        valid_rows=score_tables.write(score_tables.stack(parts[fold] for fold in folds), out / "valid"),
        test_rows=score_tables.write(parts[TEST], out / "test"),
    )
