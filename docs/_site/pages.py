"""Pages of the site that are written from the program: the command line, and the tasks with their parameters."""

import inspect
from pathlib import Path

import luigi
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from glc import tasks
from glc.cli import app
from glc.errors import ConfigError


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages before the site is built; called by MkDocs."""
    for name, write in PAGES.items():
        files.append(File.generated(config, name, content=write()))
    return files


def commands() -> str:
    """Every command of ``glc`` with its arguments and options, as its own parser has them."""
    parts = [
        "# Command line",
        "Written from the program. `luigi --module glc.tasks TASK` takes the parameters of "
        "[the tasks](task-reference.md), `make` lists the targets of a checkout.",
    ]
    for name, command in _each(typer.main.get_command(app)):
        context = command.context_class(command, info_name=f"glc {name}")
        rows = [_row([_option(entry), _default(entry, context), entry.help or ""]) for entry in command.params]
        parts += [f"## glc {name}", f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```"]
        parts += [_prose(command.help or ""), _table(["", "default", "what"], rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _each(group: typer.core.TyperGroup) -> list[tuple[str, typer.core.TyperCommand]]:
    """(words after glc, command) of all commands, also of those in groups such as ``glc wandb``."""
    found = []
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            found += [(f"{name} {inner}", member) for inner, member in _each(command)]
        else:
            found.append((name, command))
    return found


def task_reference() -> str:
    """Every task of `glc.tasks` with its parameters."""
    parts = [
        "# Tasks and their parameters",
        "Written from the program. Each is called as `luigi --module glc.tasks TASK --parameter VALUE`; "
        "[how they connect](tasks.md). Parameters that have to be given have no default.",
    ]
    for task in of_luigi():
        rows = [
            _row([f"`--{key.replace('_', '-')}`", _value(task, key, parameter), parameter.description or ""])
            for key, parameter in task.get_params()
            if parameter.significant or parameter.description
        ]
        parts += [
            f"## {task.__name__}",
            _prose(inspect.getdoc(task) or ""),
            _table(["parameter", "default", "what"], rows),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def of_luigi() -> list[type[luigi.Task]]:
    """The tasks that `glc.tasks` offers; its functions are on the page of the Python interface."""
    offered = [getattr(tasks, name) for name in tasks.__all__]
    return [entry for entry in offered if inspect.isclass(entry) and issubclass(entry, luigi.Task)]


PAGES = {"commands.md": commands, "task-reference.md": task_reference}
"""Page -> the function that writes it."""


def _option(entry: typer.core.TyperOption | typer.core.TyperArgument) -> str:
    written = entry.name.upper() if entry.param_type_name == "argument" else ", ".join(entry.opts)
    return f"`{written}`"


def _default(entry: typer.core.TyperOption | typer.core.TyperArgument, context: typer.Context) -> str:
    shown = entry.show_default if isinstance(entry.show_default, str) else entry.get_default(context)
    return "*required*" if entry.required else "" if shown in (None, "", False, ()) else f"`{shown}`"


def _value(task: type[luigi.Task], key: str, parameter: luigi.Parameter) -> str:
    """The default as it would be written, empty where there is none."""
    if not parameter.has_task_value(task.get_task_family(), key):
        return ""
    try:
        value = parameter.serialize(parameter.task_value(task.get_task_family(), key))
    except ConfigError:  # a folder or file that has to be named
        return ""
    if Path(value).is_absolute():  # of the machine on which the site is built; its description says where it is set
        return "set in luigi.cfg"
    return {"": "none", "False": "off", "True": "on"}.get(value, f"`{value}`")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(_safe(" ".join(cell.split())).replace("|", "\\|") for cell in cells) + " |"


def _safe(text: str) -> str:
    """Text whose ``<`` outside of backticks is no tag."""
    parts = text.split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def _table(head: list[str], rows: list[str]) -> str:
    return "\n".join([_row(head), "|" + " --- |" * len(head), *rows]) if rows else ""


def _prose(text: str) -> str:
    """The first paragraphs of a docstring, up to its list of parameters."""
    paragraphs = inspect.cleandoc(text).replace("``", "`").split("\n\n")
    return _safe("\n\n".join(part for part in paragraphs if " : " not in part.split("\n")[0]))
