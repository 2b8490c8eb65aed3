"""The folder of a fitted experiment under ROOT, without Luigi, which takes a second to load."""

import configparser
import json
import os
from pathlib import Path
from urllib.parse import unquote

from glc.config import CONF, Variant, experiment_names, file_name, load, to_dict
from glc.config.paths import home
from glc.errors import ConfigError, DataError, did_you_mean
from glc.fitted.layout import reading

FACTS, SETTINGS = "model.json", "scorer/experiment.json"
_WITHOUT_EFFECT = ("name", "description", "compare_with", "submission")
"""Keys of an experiment that change no prediction."""
VIRTUAL = "virtual:"


def output_root(root: str = "") -> Path:
    """The folder of all outputs: that of ``--root``, otherwise of the section ``[machine]``, as the tasks read it."""
    if "://" in root:
        return _in_store(root)
    if root:
        return Path(root).resolve()
    settings = configparser.ConfigParser(interpolation=None)
    settings.read([CONF / "luigi.cfg", *filter(None, [os.environ.get("LUIGI_CONFIG_PATH", "")])])
    text = settings.get("machine", "root", fallback="out")
    return _in_store("") if "://" in text else (home() / text).resolve()


def _in_store(root: str) -> Path:
    """The local folder of a root in an object store."""
    from glc.tasks.machine import output_folder  # takes a second, which only a store is worth

    return output_folder(root)


def subject(dataset: str) -> str:
    """A dataset's name in paths: that of its folder, or virtual-SIZE. The dataset itself need not be there."""
    return f"virtual-{dataset.removeprefix(VIRTUAL)}" if dataset.startswith(VIRTUAL) else Path(dataset).resolve().name


def is_model(path: str) -> bool:
    """Whether a path is the folder of a fitted experiment."""
    try:
        return (Path(path) / FACTS).is_file()
    except (OSError, ValueError):  # too long for a name, or with a byte that none has
        return False


def model_folder(experiment: str, dataset: str, root: str = "") -> Path:
    """The folder of a fitted experiment.

    experiment : its name, with changes; the path of its TOML; or the path of a model's folder
    dataset : folder of a dataset, its name, or virtual:SIZE
    root : folder of all outputs; empty for that of the settings
    raises : ConfigError with the command that makes the folder, or what is alike; and of a folder that was fitted with
        other settings than the experiment has now, or to other files than the dataset has now
    """
    if is_model(experiment):
        return Path(experiment).resolve()
    from glc import storage  # pandas and pyarrow take half a second, which `subject` and `is_model` do not need

    models = output_root(root) / "models"
    variant = Variant.parse(experiment)
    folder = models / subject(dataset) / file_name(variant.name)
    storage.bring(folder)
    if (folder / FACTS).is_file():
        _refuse_other_settings(folder, variant, dataset)
        _refuse_other_data(folder, variant, dataset)
        return folder
    raise ConfigError(_missing(variant, experiment, dataset, models, folder))


def _refuse_other_settings(folder: Path, variant: Variant, dataset: str) -> None:
    with reading(folder / SETTINGS):
        saved = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["settings"]
    now = to_dict(load(variant))
    other = [name for name in now if name not in _WITHOUT_EFFECT and now[name] != saved.get(name)]
    if other:
        raise ConfigError(
            f"{folder}: [{other[0]}] of {variant.name} has changed since it was fitted: found {saved.get(other[0])}, "
            f"expected {now[other[0]]}; fit it again: luigi --module glc.tasks Model --experiment {variant} "
            f"--dataset {dataset}; or name the folder itself to predict with what it holds"
        )


def _refuse_other_data(folder: Path, variant: Variant, dataset: str) -> None:
    """Refuse a model of other survey files than the dataset's, where both are known."""
    from glc import editions, storage

    if dataset.startswith(VIRTUAL) or not Path(dataset).exists() or not storage.exists(folder):
        return
    saved = {(Path(file["path"]).name, file["sha256"]) for file in storage.manifest(folder)["raw_files"]}
    try:
        paths = editions.recognise(dataset).paths if saved else []
    except DataError:  # some other folder with the name of a dataset that is elsewhere
        return
    other = [path for path in paths if (path.name, storage.file_digest(path)) not in saved]
    gone = sorted({name for name, _ in saved} - {path.name for path in paths}) if paths else []
    if other or gone:
        what = f"{other[0]} is not the file that it was fitted to" if other else f"{gone[0]} is no longer in {dataset}"
        raise ConfigError(
            f"{folder}: {what}; fit it again: luigi --module glc.tasks Model --experiment {variant} --dataset "
            f"{dataset}; or name the folder itself to predict with what it holds"
        )


def _missing(variant: Variant, experiment: str, dataset: str, models: Path, folder: Path) -> str:
    """What there is instead of a model's folder, and how to make it."""
    names = [path.name for path in sorted(models.glob("*")) if path.is_dir()]
    fitted = [unquote(path.parent.name) for path in sorted(folder.parent.glob(f"*/{FACTS}"))]
    text = f"{folder}: no fitted model of {experiment} on {dataset}"
    base = Path(variant.base)
    if base.suffix != ".toml" and variant.base not in experiment_names():
        close = did_you_mean(variant.base, [*fitted, *experiment_names()])
        return f"{text}: there is no experiment {variant.base!r}{close or '; glc list shows them'}"
    if folder.parent.name not in names and not (dataset.startswith(VIRTUAL) or Path(dataset).is_dir()):
        known = [name.replace("virtual-", VIRTUAL) for name in names]
        return (
            f"{text}: there is no dataset {dataset!r}; expected virtual:SIZE, a folder, or one with a model under "
            f"{models} ({', '.join(known) or 'none'}){did_you_mean(dataset, known)}"
        )
    there = f" (fitted on it: {', '.join(fitted)})" if fitted else ""
    where = f" --root {models.parent}" if models.parent != output_root() else ""
    quoted = f"'{experiment}'" if "+" in experiment else experiment
    return f"{text}{there}; make it: luigi --module glc.tasks Model --experiment {quoted} --dataset {dataset}{where}"
