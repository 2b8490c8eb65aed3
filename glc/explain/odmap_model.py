"""What a run knows of ODMAP's sections Model, Assessment and Prediction, and of averaging in its Overview."""

from collections.abc import Callable

from glc import config, registry
from glc.evaluation import evaluate
from glc.explain.citation import AUTHOR
from glc.explain.importance import ALL, F1
from glc.explain.odmap_fields import Field
from glc.explain.run import Run, count
from glc.types import Facts

_MEASURES = {
    "sample_f1": "F1 (mean over surveys)",
    "macro_auc": "AUC (mean over species)",
    "auc": "AUC against target-group sites",
    "boyce": "continuous Boyce index",
}


def _averaging(run: Run) -> str:
    kind = registry.models.get(run.experiment.model.name).kind
    folds = run.experiment.validation.run
    if kind == "net":
        return f"the mean of the {run.experiment.scores.average} of {count(folds, 'net')}, one per fold"
    if kind == "classical":
        refit = run.experiment.scores.refit
        return "none: one model, fitted to all training surveys" if refit else f"the mean of {count(folds, 'model')}"
    return f"{run.experiment.model.name} of {', '.join(run.experiment.model.options.get('members', ()))}"


def _preselection(run: Run) -> str:
    chosen = [f"{wanted.name}: {', '.join(wanted.bands)}" for wanted in run.inputs if wanted.bands]
    return f"the experiment names its bands ({'; '.join(chosen)}); why these is {AUTHOR}" if chosen else ""


def _multicollinearity(run: Run) -> str:
    if run.importance is None or run.importance.frame.empty:
        return ""
    frame = run.importance.frame
    pairs = frame.loc[frame["correlated_with"] != "", "variable"].nunique()
    return (
        f"not dealt with; {pairs} variables have a rank correlation of 0.7 or more with another (table of importance)"
    )


def _settings(run: Run) -> str:
    model = run.experiment.model
    member = registry.models.get(model.name)
    options = config.to_dict(config.options(member, model, "model"))
    if member.kind == "net":
        options |= {f"train.{key}": value for key, value in config.to_dict(run.experiment.train).items()}
    return "; ".join(f"{key} = {value}" for key, value in options.items()) or "no options"


def _importance(run: Run) -> str:
    if run.importance is None:
        return "not measured in this run (glc explain measures it)"
    own = run.importance.frame.drop_duplicates(["input", "variable"])
    if own.empty:
        return "not applicable: the model reads no inputs other than the place"
    name = "F1" if run.importance.measure == F1 else "AUC"
    own = own.sort_values("mean", ascending=False).head(5)
    listed = ", ".join(
        f"{row.variable if row.variable != ALL else row.input} {row.mean:.4f}" for row in own.itertuples(index=False)
    )
    score = f"{name} (without permutation {run.importance.score:.4f})"
    return f"permutation importance on held-out folds, drop of {score}: {listed}"


def _selection(run: Run) -> str:
    if registry.models.get(run.experiment.model.name).kind != "net":
        return "none: settings are fixed before fitting"
    stop = "the next fold" if run.experiment.validation.stop == "next" else "the validated fold itself"
    return f"early stopping by {run.experiment.train.monitor} on {stop}"


def _autocorrelation(run: Run) -> str:
    if run.metrics["scheme"] == "knndm":
        places = {"test": "the test", "area": "the area of the map"}[run.experiment.validation.match]
        return (
            f"folds whose distances to each other are those from {places} to the training surveys (kNNDM, Linnenbrink "
            "et al. 2024); intervals by a bootstrap over blocks"
        )
    if run.metrics["scheme"] != "block":
        return "not addressed: surveys are split one by one"
    size = run.experiment.validation.size_m / 1000
    return f"spatial blocks of {size:g} km are not divided between folds; intervals by a bootstrap over blocks"


def _threshold(run: Run) -> str:
    if run.relative:
        return "none: no sets are decided"
    choice = run.experiment.decode
    options = config.to_dict(config.options(registry.decoders.get(choice.name), choice, "decode"))
    fitted = {key: value for key, value in run.predictions.get("fitted", {}).items() if isinstance(value, int | float)}
    values = "; ".join(f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}" for key, value in
                       (options | fitted).items())  # fmt: skip
    return f"decoder {choice.name}, fitted on validation" + (f" ({values})" if values else "")


def _performance(split: str) -> Callable[[Run], str]:
    def text(run: Run) -> str:
        texts = []
        for name in evaluate.tests(run.metrics) if split == "test" else [split]:
            facts: Facts = run.metrics.get(name, {})
            values = [f"{title} {facts[key]:.4f}" for key, title in _MEASURES.items() if facts.get(key) is not None]
            if "sample_f1_low" in facts:
                values[0] += f" (95% interval {facts['sample_f1_low']:.4f} to {facts['sample_f1_high']:.4f})"
            texts.append((f"{evaluate.title(name)}: " if name.startswith("test_") else "") + ", ".join(values))
        return "; ".join(texts) or ("not known: the test has no labels here" if split == "test" else "")

    return text


def _shapes(run: Run) -> str:
    if not run.curves:
        return "not drawn in this run (glc explain draws them for experiments with tables)"
    return f"partial dependence with the band of the surveys' own curves, of species {', '.join(map(str, run.curves))}"


def _unit(run: Run) -> str:
    if run.relative:
        return "relative suitability of a species, 0 to 1"
    return "score of a species at a place, 0 to 1, and whether it is in the predicted set"


def _post(run: Run) -> str:
    choice = run.experiment.postprocess
    return "none" if choice.name == "none" else f"{choice.name} {choice.options or ''}".strip()


VALUES: dict[Field, Callable[[Run], str]] = {
    ("Overview", "Algorithms", "Model averaging"): _averaging,
    ("Model", "Variable pre-selection", "Variable pre-selection"): _preselection,
    ("Model", "Multicollinearity", "Multicollinearity"): _multicollinearity,
    ("Model", "Model settings", "Model settings (fitting)"): _settings,
    ("Model", "Model estimates", "Variable importance"): _importance,
    ("Model", "Model selection - model averaging - ensembles", "Model selection"): _selection,
    ("Model", "Model selection - model averaging - ensembles", "Model averaging"): _averaging,
    ("Model", "Model selection - model averaging - ensembles", "Model ensembles"): _averaging,
    ("Model", "Analysis and Correction of non-independence", "Spatial autocorrelation"): _autocorrelation,
    ("Model", "Threshold selection", "Threshold selection"): _threshold,
    ("Assessment", "Performance statistics", "Performance on training data"): lambda run: "not measured in this run",
    ("Assessment", "Performance statistics", "Performance on validation data"): _performance("valid"),
    ("Assessment", "Performance statistics", "Performance on test data"): _performance("test"),
    ("Assessment", "Plausibility check", "Response shapes"): _shapes,
    ("Prediction", "Prediction output", "Prediction unit"): _unit,
    ("Prediction", "Prediction output", "Post-processing"): _post,
    ("Prediction", "Uncertainty quantification", "Scenario uncertainty"): lambda run: "not applicable: no scenarios",
}
"""Field -> its value; empty where the run does not know it."""
