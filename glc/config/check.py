"""What takes more than one section, or a registry, to know of an experiment."""

from collections.abc import Callable
from dataclasses import fields

from glc import registry
from glc.config.encoder import EncoderExperiment
from glc.config.experiment import EncoderFile, Experiment, Input
from glc.config.fields import build, options, prediction, require
from glc.errors import ConfigError, did_you_mean


def _check_bands(wanted: Input) -> None:
    """Look up the bands and classes of an input where its covariate declares what it has."""
    covariate = registry.covariates.get(wanted.tiles)
    if wanted.classes_as == "codes" and not covariate.classes:
        raise ConfigError(
            f"inputs: tiles {wanted.tiles!r}: classes_as: found 'codes', expected 'declared': it has no classes"
        )
    known = covariate.declared
    unknown = [band for band in wanted.bands if known and band not in known and band.rpartition("_")[0] not in known]
    if unknown:
        raise ConfigError(
            f"inputs: tiles {wanted.tiles!r} has no band {unknown[0]!r}; expected some of: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )


def _check_location(wanted: Input) -> None:
    """Look up what an input tells of the place, and validate its options; the file itself is the task's concern."""
    choice, known = wanted.location, ["encoder", *registry.locations.choices()]
    if choice.name not in known:
        raise ConfigError(
            f"inputs: unknown location {choice.name!r}; expected one of: {', '.join(known)}"
            f"{did_you_mean(choice.name, known)}"
        )
    if choice.name == "encoder":
        build(EncoderFile, choice.options, "location 'encoder'")
    else:
        options(registry.locations.get(choice.name), choice, "location")


def _check_predict(experiment: Experiment) -> None:
    """Validate the options of prediction, and say which models have those that this one lacks."""
    name, model = experiment.model.name, registry.models.get(experiment.model.name)
    own = [field.name for field in fields(model.Prediction)]
    for key in experiment.predict:
        if key in own:
            continue
        known = {
            member: [field.name for field in fields(registry.models.get(member).Prediction)]
            for member in registry.models.choices()
        }
        able = [repr(member) for member, keys in known.items() if key in keys]
        if able:
            raise ConfigError(
                f"predict.{key}: model {name!r} has no {key} at prediction time; only {', '.join(able)} "
                f"{'supports' if len(able) == 1 else 'support'} it"
            )
        keys = own or sorted({key for keys in known.values() for key in keys})
        raise ConfigError(f"predict: unknown key {key!r}; expected one of: {', '.join(keys)}{did_you_mean(key, keys)}")
    prediction(model, experiment.predict)


def _check_training(experiment: Experiment) -> None:
    """Refuse what the loss has not to watch, and a validation after the last epoch of a fold of cross-fusion."""
    train, fusion = experiment.train, experiment.cross_fusion
    monitors = registry.losses.get(train.loss.name).monitors
    expected = f"one of {', '.join(map(repr, monitors))} with the loss {train.loss.name!r}"
    require(train.monitor in monitors, "train.monitor", train, expected)
    if fusion.use:
        expected = f"1 to {fusion.max_epochs}, the cross_fusion.max_epochs of later folds"
        require(train.validate_every <= fusion.max_epochs, "train.validate_every", train, expected)


def _check_start(experiment: Experiment, net: bool) -> None:
    """Refuse a stage before one that has no use for its weights."""
    name = experiment.start.experiment
    if not net:
        why = f"none for the model {experiment.model.name!r}, which is no net"
    elif experiment.pretrain.name != "none":
        why = f"none with pretrain = {experiment.pretrain.name!r}; pre-train in the stage before"
    elif experiment.cross_fusion.use:
        why = "none with cross_fusion.use, whose later folds start from the first fold's net"
    else:
        return
    raise ConfigError(f"start.experiment: found {name!r}, expected {why}")


def _check_scores(experiment: Experiment, net: bool) -> None:
    """Refuse a mean of logits where no nets of several folds are averaged."""
    scores, name = experiment.scores, experiment.model.name
    if scores.average != "probabilities" and not net:
        raise ConfigError(
            f"scores.average: found {scores.average!r}, expected 'probabilities' for the model {name!r}: only the nets "
            "of several folds are averaged"
        )


def _check_table(experiment: Experiment) -> None:
    """Look up whether a model that is no net reads a table, and nothing else does it read."""
    name, inputs = experiment.model.name, experiment.inputs
    if "table" not in registry.models.get(name).reads:
        if inputs:
            raise ConfigError(f"inputs: model {name!r} is not a neural network and reads no imagery; remove them")
    elif [bool(entry.table) for entry in inputs] != [True]:
        names = ", ".join(entry.name for entry in inputs) or "none"
        raise ConfigError(
            f"inputs: found {names}, expected for model {name!r} one [[inputs]] with the rasters whose values it "
            'reads, such as table = ["bioclim", "soil"]'
        )


def check_encoder(experiment: EncoderExperiment) -> None:
    """Look up all that an experiment of the location encoder names, and validate the options."""
    chosen = experiment.location
    for key, kind in (("features", registry.locations), ("network", registry.networks), ("image", registry.images)):
        choice = getattr(chosen, key)
        try:
            options(kind.get(choice.name), choice, kind.kind)
        except ConfigError as error:
            raise ConfigError(f"location.{key}: {error}") from None


def refuse_without_surveys(experiment: Experiment, dataset: str) -> None:
    """Raise a ConfigError for an experiment that needs presence-absence surveys, which a dataset does not have.

    experiment : validated
    dataset : its name; all that it has are presence-only records
    """
    choice, pretrain = experiment.model, experiment.pretrain
    member = registry.models.get(choice.name)
    why = member.needs_surveys(options(member, choice, "model"))
    if not why and pretrain.name != "none":
        sources = options(registry.pretrainings.get(pretrain.name), pretrain, "pretrain").sources
        if "po" not in sources:
            why = (
                f"pretrain.sources: found {list(sources)}, expected 'po' among them; write "
                'NAME+pretrain.sources=["po"]'
            )
    if not why and experiment.postprocess.name != "none":
        why = f"postprocess: found {experiment.postprocess.name!r}, which adds to sets; write NAME+postprocess=none"
    if why:
        raise ConfigError(
            f"experiment {experiment.name!r} needs presence-absence surveys, and {dataset} has presence-only records "
            f"alone: {why.replace('NAME', experiment.name)}"
        )


def check(experiment: Experiment, known_experiment: Callable[[str], object]) -> None:
    """Look up all that the experiment names, and validate the options.

    known_experiment : raises a ConfigError for the name of an experiment that there is none of
    """
    chosen = [(registry.models, experiment.model), (registry.decoders, experiment.decode)]
    net = registry.models.get(experiment.model.name).kind == "net"
    _check_predict(experiment)
    _check_scores(experiment, net)
    if net:
        _check_training(experiment)
        chosen.append((registry.losses, experiment.train.loss))
    if experiment.pretrain.name != "none":
        chosen.append((registry.pretrainings, experiment.pretrain))
    if experiment.postprocess.name != "none":
        chosen.append((registry.corrections, experiment.postprocess))
    for kind, choice in chosen:
        options(kind.get(choice.name), choice, kind.kind)
    for entry in experiment.inputs:
        for name in entry.table:
            registry.covariates.get(name)
        if entry.graph.name != "none":
            options(registry.graphs.get(entry.graph.name), entry.graph, "graph")
        if entry.location.name != "none":
            _check_location(entry)
        if entry.tiles:
            if registry.covariates.get(entry.tiles).kind == "metadata":
                raise ConfigError(
                    f"inputs: found tiles {entry.tiles!r}, expected rasters or images; what the survey files say "
                    f'has no tiles: read it in a table, table = ["{entry.tiles}"]'
                )
            _check_bands(entry)
    names = [entry.name for entry in experiment.inputs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"inputs: {name!r} appears twice; join its bands in one [[inputs]] table")
    if not net:
        _check_table(experiment)
    if experiment.pretrain.name != "none" and not (net and experiment.inputs):
        raise ConfigError(
            f"pretrain: found {experiment.pretrain.name!r}, expected 'none' without [[inputs]] to learn from"
        )
    if experiment.pretrain.name != "none" and any(entry.graph.name != "none" for entry in experiment.inputs):
        raise ConfigError("pretrain: found a graph among [[inputs]], expected none: it is made of each fold's labels")
    if experiment.train.freeze and experiment.pretrain.name == "none":
        raise ConfigError("train.freeze: found true, expected a [pretrain] table: a random encoder would be kept")
    for name in experiment.compare_with:
        known_experiment(name.split("+")[0])
    if experiment.start.experiment:
        _check_start(experiment, net)
        known_experiment(experiment.start.experiment)
    if experiment.inputs and experiment.po.use == "pseudo":
        raise ConfigError("po.use: found 'pseudo', expected 'surveys', 'only' or 'none': pseudo-surveys have no inputs")
