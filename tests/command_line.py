"""Whether a command that a page writes would be understood: asked of the real parsers, without running it."""

import contextlib
import functools
import importlib.util
import io
import re
import shlex
from pathlib import Path

import typer
from luigi.cmdline_parser import CmdlineParser
from luigi.task_register import Register, TaskClassException
from typer.exceptions import TyperException

from glc import config
from glc.cli import app
from glc.errors import GlcError
from tests.test_makefile import CHECKOUT, planned, targets

VARIABLES = re.findall(r"^([A-Z]+) *[:?]?=", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
SHELL = (
    "apt-get", "cd", "conda", "docker", "export", "gcloud", "git", "jupyter", "kaggle", "nvidia-smi", "pip",
    "pre-commit", "printf", "pyenv", "read", "source", "ssh", "tail", "unzip", "uv", "wandb",
)  # fmt: skip
"""Programs of others that pages may call; only their names are checked."""


@functools.cache
def problem(command: str) -> str:
    """Why a command cannot be run, by what exists; empty if it can.

    command : one line of a shell; what follows ``&&`` is looked at as well
    """
    try:
        words = shlex.split(command.replace("\\\n", " "), comments=True)
    except ValueError as error:
        return f"{command!r}: {error}"
    if "&&" in words:
        place = words.index("&&")
        return problem(shlex.join(words[:place])) or problem(shlex.join(words[place + 1 :]))
    words = [word for word in words if word not in ("&", "2>&1")]
    if ">" in words:  # and the file that it is written to
        words = words[: words.index(">")]
    while words and (re.match(r"[A-Z_]+=", words[0]) or words[0] in ("nohup", "sudo")):
        words = words[1:]
    match words:
        case []:
            return "an empty command"
        case ["make", *rest]:
            return of_make(rest)
        case ["glc", name, *rest]:
            return of_glc(name, rest)
        case ["luigi", *rest] | ["python", "-m", "luigi", *rest]:
            return of_luigi(rest)
        case ["python", "-m", "pip", *_]:
            return ""
        case ["python", "-m", module, *rest]:
            return of_module(module, rest)
        case ["python", "-c", code]:
            return of_python(code)
        case ["pytest" | "nice", *rest]:
            missing = [word for word in rest if "/" in word and not (CHECKOUT / word.partition("::")[0]).exists()]
            return f"no such file: {missing[0]}" if missing else ""
    if words[0] in SHELL:
        return ""
    return f"{command!r}: found {words[0]}, expected make, glc, luigi, pytest, python -m or one of: {', '.join(SHELL)}"


def of_make(words: list[str]) -> str:
    """Why `make words` cannot be run; its last command is looked at, too."""
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    unknown = [name for name in settings if name not in VARIABLES]
    if unknown:
        return f"make: no variable {unknown[0]}"
    names = [word for word in words if "=" not in word]
    unknown = [name for name in names if name not in {*targets(), *config.experiment_names()}]
    if unknown or not names:
        return f"make: no target {' '.join(unknown)}"
    line = expanded(*words)
    return problem(line) if line.startswith(("python -m luigi", "python -m glc", "glc ")) else ""


def expanded(*words: str) -> str:
    """The last command that ``make words`` would run, with the programs of this environment by their names."""
    line = planned(*words, VENV="/nowhere")
    for name, short in (("/nowhere/bin/python", "python"), ("/nowhere/bin/glc", "glc")):
        line = line.replace(name, short)
    return line


def of_glc(name: str, words: list[str]) -> str:
    """Why `glc name words` cannot be run: an unknown command, option, value or experiment.

    An experiment in capitals is a folder of the reader's.
    """
    known = typer.main.get_command(app).commands
    if name not in known:
        return f"glc: no command {name}"
    if isinstance(known[name], typer.core.TyperGroup):
        known, name, words = known[name].commands, *words[:1], words[1:]
        if name not in known:
            return f"glc: no command {name}"
    place = words.index("--") if "--" in words else len(words)
    own, luigis = words[:place], words[place + 1 :]
    try:
        arguments = known[name].make_context(name, list(own)).params
    except TyperException as error:
        return f"glc {name}: {error.format_message()}"
    experiment = arguments.get("experiment", "")
    if experiment and not is_own(experiment) and not experiment.isupper() and (fault := of_experiment(experiment)):
        return fault
    return of_luigi(["--module", "glc.tasks", "Submission", *luigis]) if luigis else ""


def of_luigi(words: list[str]) -> str:
    """Why `luigi words` cannot be run: an unknown module, task, option, value or experiment."""
    if len(words) < 3 or words[0] != "--module":
        return f"luigi: found {' '.join(words)!r}, expected --module MODULE TASK ..."
    module, family, *options = words[1:]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return f"luigi: {error}"
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), CmdlineParser.global_instance([family, *options]) as parser:
            given = vars(parser.known_args)
        for name, parameter in Register.get_task_cls(family).get_params():
            if name != "experiment" and isinstance(given.get(name), str):
                parameter.parse(given[name])
    except SystemExit:
        return f"luigi {family}: {output.getvalue().strip().splitlines()[-1].partition('error: ')[2]}"
    except (TaskClassException, GlcError, ValueError) as error:
        return f"luigi: {error}"
    experiment = given.get("experiment")
    return "" if not experiment or is_own(experiment) else of_experiment(experiment)


def is_own(experiment: str) -> bool:
    """Whether it is the reader's own TOML, with changes or without: such a file does not exist here."""
    return experiment.partition("+")[0].endswith(".toml")


def of_module(name: str, words: list[str]) -> str:
    """Why `python -m name words` cannot be run: options are looked for in the module's text."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        return f"no module {name}"
    path = Path(spec.origin)
    text = path.with_name("__main__.py").read_text() if path.name == "__init__.py" else path.read_text()
    unknown = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [word for word in unknown if f'"{word}"' not in text]
    return f"{name}: no option {unknown[0]}" if unknown else ""


def of_python(code: str) -> str:
    """Why a line of Python cannot be run: its syntax."""
    try:
        compile(code, "a page", "exec")
    except SyntaxError as error:
        return f"{code!r}: {error}"
    return ""


def of_experiment(name: str) -> str:
    """Why an experiment, with its changes, does not load."""
    try:
        config.load_any(name)
    except GlcError as error:
        return str(error)
    return ""
