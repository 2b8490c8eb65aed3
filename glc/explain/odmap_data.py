"""What a run knows of ODMAP's sections Overview and Data."""

from collections.abc import Callable

import numpy as np

from glc import config, registry, schema
from glc.evaluation import evaluate
from glc.explain.citation import AUTHOR, VIRTUAL, citation
from glc.explain.odmap_fields import FIELDS, Field
from glc.explain.run import Run, count

NO_TRANSFER = "not applicable: the run predicts the surveys of the dataset, not another time or area"


def _target(run: Run) -> str:
    if run.relative:
        return "relative suitability of each species, continuous (trained on presence-only records)"
    return f"score of each species per place, and the predicted set of species (decoder {run.experiment.decode.name})"


def _focal(run: Run) -> str:
    return f"{len(run.records):,} species in the training surveys; the taxon is {AUTHOR}"


def _extent(run: Run) -> str:
    part = run.train
    return "longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f} (training surveys)".format(**part)


def _resolution(run: Run) -> str:
    area = run.train["area_m2"]
    return f"surveys of {area:,.0f} m² (median)" if area == area else ""


def _years(run: Run) -> str:
    first, last = run.train["first_year"], run.train["last_year"]
    return f"{first:.0f} to {last:.0f} (training surveys)" if first == first else ""


def _temporal_resolution(run: Run) -> str:
    return "year of the survey" if run.train["first_year"] == run.train["first_year"] else ""


def _observation(run: Run) -> str:
    return "simulated: the virtual world of glc" if _virtual(run) else ""


def _virtual(run: Run) -> bool:
    return str(run.surveys.get("parameters", {}).get("dataset", "")).startswith(VIRTUAL)


def _response_type(run: Run) -> str:
    kinds = {"pa_train": "presence/absence", "po": "presence-only"}
    return "; ".join(
        f"{kind} ({count(run.parts.loc[name, 'surveys'], 'survey')}"
        f"{', trained on' if name == run.surveys['train'] else ''})"
        for name, kind in kinds.items()
        if name in run.parts.index
    )


def _predictor_types(run: Run) -> str:
    titles = [registry.covariates.get(name).title for name in _covariates(run)]
    cubes = [f"{wanted.cube} time series" for wanted in run.inputs if wanted.cube]
    others = [wanted.name for wanted in run.inputs if not wanted.stored]
    names = dict.fromkeys([*titles, *cubes, *others])
    return "; ".join(names) or "none but the coordinates and the surveys around them"


def _covariates(run: Run) -> list[str]:
    names = [name for wanted in run.inputs for name in (wanted.tiles, *wanted.table) if name]
    return list(dict.fromkeys(names))


def _technique(run: Run) -> str:
    description = run.experiment.description
    return run.experiment.model.name + (f": {description}" if description else "")


def _workflow(run: Run) -> str:
    validation = run.experiment.validation
    steps = [
        "survey files to tables, unusable rows to quarantine",
        f"{validation.count} folds ({validation.scheme})",
        f"{run.experiment.model.name} fitted without each of {count(validation.run, 'fold')} and scored on it",
        f"decoder {run.experiment.decode.name} fitted on validation scores",
        "evaluation on validation" + (" and test" if evaluate.tests(run.metrics) else ""),
    ]
    return "; ".join(steps)


def _software(run: Run) -> str:
    versions = run.surveys.get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"glc {run.surveys.get('glc', '')}" + (f" with {packages}" if packages else "")


def _data_availability(run: Run) -> str:
    doi = (run.surveys.get("citation") or {}).get("doi")
    return f"https://doi.org/{doi.removeprefix('https://doi.org/')}" if doi else ""


def _taxa(run: Run) -> str:
    known = run.surveys.get("species")
    if isinstance(known, dict) and known.get("named"):
        return f"{known['named']:,} of {known.get('number', len(run.records)):,} species have a name in the data"
    return f"species are ids of the dataset; their names are {AUTHOR}"


def _sources(run: Run) -> str:
    cited = citation(run.dataset, run.surveys, [])
    if _virtual(run):
        return cited.notes[0]
    own = (run.surveys.get("citation") or {}).keys() & {"doi", "title"}
    if own and cited.data:
        return cited.data[0].text()
    files = "; ".join(f"{file['file']} ({file['kept']:,} rows used)" for file in run.surveys.get("files", ()))
    return f"{files}; their source and version are {AUTHOR}" if files else ""


def _sample(run: Run) -> str:
    surveys, counts = run.train["surveys"], run.records
    text = count(surveys, "training survey")
    if not len(counts):
        return text
    least, middle, most = counts.min(), np.median(counts), counts.max()
    shares = f"{least / surveys:.2g} to {most / surveys:.2g}, median {middle / surveys:.2g}"
    return (
        f"{text}, {len(counts):,} species with {least:,} to {most:,} surveys each, median {middle:,.0f} "
        f"(prevalence {shares})"
    )


def _scaling(run: Run) -> str:
    po = run.experiment.po
    if po.use == "pseudo":
        return f"presence-only records within {po.radius_m:,.0f} m of each other are one training example"
    return "none"


def _cleaning(run: Run) -> str:
    files = run.surveys.get("files", ())
    reasons: dict[str, int] = {}
    for file in files:
        for reason, rows in file["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + rows
    if not files:
        return ""
    text = f"{sum(file['quarantined'] for file in files):,} of {sum(file['rows'] for file in files):,} rows not used"
    return text + (": " + "; ".join(f"{rows:,} {reason}" for reason, rows in reasons.items()) if reasons else "")


def _absences(run: Run) -> str:
    if run.relative or run.surveys["train"] == "po":
        return "none: presence-only records"
    return "a species that a presence-absence survey does not list counts as absent there"


def _background(run: Run) -> str:
    if run.relative:
        return "target-group background: the surveys of the other species"
    return "none" if run.surveys["train"] != "po" else ""


def _survey_errors(run: Run) -> str:
    metres = run.train["uncertainty_m"]
    if metres != metres:
        return ""
    return f"median uncertainty of the coordinates {metres:,.0f} m; other errors and biases are {AUTHOR}"


def _training(run: Run) -> str:
    net = registry.models.get(run.experiment.model.name).kind == "net"
    stops = net and run.experiment.validation.stop == "next"
    also = ", and of the next, which stops the training" if stops else ""
    return f"for each fold, all training surveys outside of it{also} ({_fold_sizes(run)})"


def _fold_sizes(run: Run) -> str:
    sizes = [count for fold, count in run.folds["surveys"].items() if int(fold) >= 0]
    return f"{len(sizes)} folds of {min(sizes):,} to {max(sizes):,} surveys"


def _validation(run: Run) -> str:
    validation = run.experiment.validation
    how = {
        "block": f"whole spatial blocks of {validation.size_m / 1000:g} km",
        "knndm": "squares whose size matches the distances from the places to predict to the training surveys (kNNDM)",
        "random": "single surveys at random",
        "quadrats": f"single surveys at random; quadrats of {validation.size_m / 1000:g} km are held out as test",
    }[validation.scheme]
    text = (
        f"{validation.count}-fold cross-validation by {how}, seed {validation.seed}; {validation.run} of the folds run"
    )
    caveat = config.caveat(run.metrics["scheme"], run.metrics["stop"])
    return text + (f" ({caveat})" if caveat else "")


def _test(run: Run) -> str:
    if run.folds.get("held_out"):
        return f"{run.folds['held_out']:,} training surveys in whole blocks, held out from all models"
    own = [name for name in run.parts.index if schema.is_test(name, run.surveys["test"])]
    tests = "" if len(own) < 2 else f" of {len(own)} tests"
    return f"the dataset's own {count(run.parts.loc[own, 'surveys'].sum(), 'test survey')}{tests}" if own else ""


def _predictors(run: Run) -> str:
    columns = [column for facts in run.tables for column in facts.get("columns", ())]
    imagery = [wanted.name for wanted in run.inputs if not wanted.table]
    return ", ".join(dict.fromkeys([*columns, *imagery])) or ("coordinates" if not run.inputs else "")


def _predictor_sources(run: Run) -> str:
    files = dict.fromkeys(path.rpartition("/")[2] for facts in run.tables for path in facts.get("files", ()))
    return f"files {', '.join(files)}; their source and version are {AUTHOR}" if files else ""


def _crs(run: Run) -> str:
    crs = {name: registry.covariates.get(name) for name in _covariates(run)}
    read = [f"{name} in {item.crs or 'its own'}" for name, item in crs.items() if item.kind == "rasters"]
    return "; ".join([f"surveys in EPSG:4326, projected to {run.train['crs']}", *(f"{text}" for text in read)])


def _processing(run: Run) -> str:
    texts = [f"values: {facts['rule']}" for facts in run.tables if facts.get("rule")]
    for wanted in run.inputs:
        if wanted.tiles:
            kept = f"{wanted.block} x {wanted.block} DCT coefficients" if wanted.block else "all pixels"
            texts.append(f"{wanted.tiles}: tiles of {wanted.size} x {wanted.size} pixels, {kept} per band")
    return "; ".join(dict.fromkeys(texts))


def _reduction(run: Run) -> str:
    tiles = any((wanted.tiles and wanted.block) or wanted.coeffs for wanted in run.inputs)
    return "the low spatial frequencies of tiles and series (DCT)" if tiles else "none before the model"


VALUES: dict[Field, Callable[[Run], str]] = {
    ("Overview", "Model objective", "Target output"): _target,
    ("Overview", "Focal Taxon", "Focal Taxon"): _focal,
    ("Overview", "Location", "Location"): lambda run: run.train["countries"],
    ("Overview", "Scale of Analysis", "Spatial extent"): _extent,
    ("Overview", "Scale of Analysis", "Spatial resolution"): _resolution,
    ("Overview", "Scale of Analysis", "Temporal extent"): _years,
    ("Overview", "Scale of Analysis", "Temporal resolution"): _temporal_resolution,
    ("Overview", "Biodiversity data", "Observation type"): _observation,
    ("Overview", "Biodiversity data", "Response data type"): _response_type,
    ("Overview", "Predictors", "Predictor types"): _predictor_types,
    ("Overview", "Algorithms", "Modelling techniques"): _technique,
    ("Overview", "Workflow", "Model workflow"): _workflow,
    ("Overview", "Software", "Software"): _software,
    ("Overview", "Software", "Data availability"): _data_availability,
    ("Data", "Biodiversity data", "Taxon names"): _taxa,
    ("Data", "Biodiversity data", "Ecological level"): lambda run: "species",
    ("Data", "Biodiversity data", "Data sources"): _sources,
    ("Data", "Biodiversity data", "Sample size"): _sample,
    ("Data", "Biodiversity data", "Scaling"): _scaling,
    ("Data", "Biodiversity data", "Cleaning"): _cleaning,
    ("Data", "Biodiversity data", "Absence data"): _absences,
    ("Data", "Biodiversity data", "Background data"): _background,
    ("Data", "Biodiversity data", "Errors and biases"): _survey_errors,
    ("Data", "Data partitioning", "Training data"): _training,
    ("Data", "Data partitioning", "Validation data"): _validation,
    ("Data", "Data partitioning", "Test data"): _test,
    ("Data", "Predictor variables", "Predictor variables"): _predictors,
    ("Data", "Predictor variables", "Data sources"): _predictor_sources,
    ("Data", "Predictor variables", "Coordinate reference system"): _crs,
    ("Data", "Predictor variables", "Data processing"): _processing,
    ("Data", "Predictor variables", "Dimension reduction"): _reduction,
    **{field: lambda run: NO_TRANSFER for field in FIELDS if field[1] == "Transfer data"},
}
"""Field -> its value; empty where the run does not know it."""
