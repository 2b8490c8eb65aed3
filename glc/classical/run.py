"""Run a classical model over the validation folds and the test."""

from glc import storage
from glc.prediction import scores as score_tables
from glc.surveys import TEST


def write(model, data, out, *, folds, keep, neighbours=None, progress=print):
    """Write ``valid`` (each fold scored from the others) and ``test`` (scored from all training surveys) under `out`.

    model : a classical model; data : `glc.surveys.SurveyData`; neighbours : frame of schema ``neighbours`` or None
    The manifest also carries, under ``model_facts``, for each fold (``0``, ..., ``test``) what the model says of its
    fit in its attribute ``facts``, if it has one.
    """
    folds = list(folds)
    parts, told = {}, {}
    for done, fold in enumerate([*folds, TEST]):
        name = "test" if fold == TEST else str(fold)
        progress(
            f"{model.name}: scoring {'the test' if fold == TEST else f'fold {fold}'}", 100 * done // (len(folds) + 1)
        )
        queries = data.test if fold == TEST else data.valid(fold)
        matrix = model.scores(data, None if fold == TEST else fold, queries, neighbours)
        parts[fold] = score_tables.of_rows(data, queries, fold, score_tables.keep_best(matrix, keep))
        if getattr(model, "facts", None):
            told[name] = dict(model.facts)
    storage.note(
        out,
        valid_rows=score_tables.write(score_tables.stack(parts[fold] for fold in folds), out / "valid"),
        test_rows=score_tables.write(parts[TEST], out / "test"),
        **({"model_facts": told} if told else {}),
    )
