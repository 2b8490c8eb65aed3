"""``glc list`` and ``glc show``: the experiments and their settings."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from glc import config
from glc.cli import output
from glc.references import paper_named
from glc.types import JSON

OWN = "This project"
_NAMES = {"series": "satellite time series", "landsat": "Landsat cubes", "bioclim": "monthly climate cubes"}


@dataclass(frozen=True)
class Listed:
    """A line of the list."""

    name: str
    paper: str
    description: str
    needs: tuple[str, ...]


def listed(name: str) -> Listed:
    """What the list says of an experiment; its options are not checked, which would import every model."""
    values = config.read(name)
    description = values.get("description", "")
    return Listed(name, paper_named(description) or OWN, description, tuple(dict.fromkeys(_needs(values))))


def _needs(values: dict[str, JSON]) -> Iterator[str]:
    """What a dataset must have besides presence-absence surveys; in brackets what is skipped if it is missing."""
    if "location" in values:
        yield "imagery of the globe, not surveys"
        return
    model = values.get("model")
    before = values.get("start", {}).get("experiment")
    for member in [*(model.get("members", ()) if isinstance(model, dict) else ()), *([before] if before else [])]:
        yield from _needs(config.read(member))
    for entry in values.get("inputs", ()):
        names = [entry.get("tiles"), _NAMES.get(entry.get("cube")), *entry.get("table", ())]
        if _name(entry.get("location")) == "encoder":
            names.append("a location encoder")
        yield from (f"[{name}]" if entry.get("optional") else name for name in names if name)
    if values.get("po", {}).get("use", "none") != "none" or _name(values.get("pretrain", "none")) == "tile2vec":
        yield "presence-only records"


def _name(choice: JSON) -> str:
    return choice["name"] if isinstance(choice, dict) else choice or ""


def show_list(wanted: str = "") -> None:
    """Print the experiments by paper.

    wanted : only experiments whose name or paper contains this, in any case
    """
    groups = defaultdict(list)
    for entry in map(listed, config.experiment_names()):
        if wanted.lower() in entry.name.lower() or wanted.lower() in entry.paper.lower():
            groups[entry.paper].append(entry)
    screen = output.screen()
    for paper in sorted(groups, key=lambda paper: (paper != OWN, paper)):
        table = output.table("experiment", "description", "needs besides surveys", padding=(0, 2, 0, 0))
        table.columns[0].no_wrap = True
        table.columns[1].ratio = 3 if screen.is_terminal else None
        for entry in groups[paper]:
            table.add_row(entry.name, entry.description, Text(", ".join(entry.needs)))
        screen.print(Text(paper, style="bold underline"))
        screen.print(table)
        screen.print()
    if not groups:
        screen.print(f"no experiment or paper contains {wanted!r}; glc list shows all")
        return
    screen.print(
        "Inputs in [brackets] are used if the dataset has them. Run one: glc run NAME --dataset FOLDER", markup=False
    )


def show(name: str) -> None:
    """Print an experiment's settings as TOML; a comment gives the base's value where it differs."""
    experiment = config.load_any(name)
    base = config.base_of(name)
    other: config.Experiment | config.EncoderExperiment
    if base is not None:
        other, label = config.load_any(base), f"in {base}"
    elif isinstance(experiment, config.EncoderExperiment):
        other, label = config.EncoderExperiment(config.EncoderPretraining()), "default"
    else:
        other, label = config.Experiment(model=experiment.model), "default"
    before, settings = dict(_settings(config.to_dict(other))), dict(_settings(config.to_dict(experiment)))
    changed = {key for key, value in settings.items() if key not in before or before[key] != value}
    screen = output.screen()

    def say(line, style=""):
        screen.print(Text(line, style=style), soft_wrap=True)

    say(f"# {experiment.name}: {experiment.description}", "dim")
    say(f"# Different from {base or 'the defaults'}: {len(changed)} of {len(settings)} settings, marked.", "dim")
    table = None
    for (section, key), value in settings.items():
        if section != table:
            table = section
            say("")
            if section:
                say(section)
        note = ""
        if (section, key) in changed:
            old = config.to_toml(before[section, key]) if (section, key) in before else "not set"
            note = f"  # {label}: {old}"
        say(f"{key} = {config.to_toml(value)}{note}", "bold" if note else "")


def _settings(values: dict[str, JSON]) -> Iterator[tuple[tuple[str, str], JSON]]:
    """((header of the table, key), value): plain values first, then tables, then the inputs."""
    values = {key: value for key, value in values.items() if key not in ("name", "description")}
    for key, value in values.items():
        if not _is_table(value) and key != "inputs":
            yield ("", key), _plain(value)
    for key, value in values.items():
        if _is_table(value):
            for inner, part in value.items():
                yield (f"[{key}]", inner), _plain(part)
    for number, entry in enumerate(values.get("inputs", ())):
        for inner, part in entry.items():
            if part and _plain(part) != "none":
                yield (f"[[inputs]]  # {number}", inner), _plain(part)


def _is_table(value: JSON) -> bool:
    return isinstance(value, dict) and set(value) != {"name", "options"}


def _plain(value: JSON) -> JSON:
    """A choice as a TOML writes it: its bare name, or a table of the name and the options."""
    if isinstance(value, dict) and set(value) == {"name", "options"}:
        return {"name": value["name"]} | value["options"] if value["options"] else value["name"]
    return value
