"""Tasks and options of a Luigi command line that there are not: what Luigi refuses without saying what was meant."""

import argparse
import re
import sys
from typing import NoReturn

from luigi.cmdline_parser import CmdlineParser
from luigi.task_register import Register

from glc.errors import did_you_mean

MISTYPED = 2
"""Exit code of a command with a task or an option that there is not, as argparse has it."""
_build = CmdlineParser._build_parser


def answer_in_one_line(command: list[str]) -> None:
    """Have Luigi answer an option that it cannot read with a line, instead of the usage of all options.

    command : the words of the command line
    """

    def build(root_task: str | None = None, help_all: bool = False) -> argparse.ArgumentParser:
        parser = _build(root_task=root_task, help_all=help_all)

        def error(message: str) -> NoReturn:
            lines = suggestions(command) or [f"error: {message}; --help lists the options"]
            print("\n".join(lines), file=sys.stderr)
            raise SystemExit(MISTYPED)

        parser.error = error
        return parser

    CmdlineParser._build_parser = staticmethod(build)  # type: ignore[method-assign]


def suggestions(command: list[str]) -> list[str]:
    """A line for each option of `command` that there is none of, with the nearest there is."""
    known = {"--help", "--help-all"}
    if not set(command) & set(Register.task_names()):  # an unknown task has no options that could be known
        return []
    for family, short, name, _ in Register.get_all_params():
        option = (name if short else f"{family}_{name}").replace("_", "-")
        known.add(f"--{option}")
        if family in command:
            known.add(f"--{name.replace('_', '-')}")
    lines = []
    for word in command:
        option = word.partition("=")[0]
        # argparse takes the beginning of an option for the option
        if option.startswith("--") and not any(other.startswith(option) for other in known):
            lines.append(f"error: unknown option {option}{did_you_mean(option, known) or '; --help lists the options'}")
    return lines


def unknown_task(error: BaseException) -> str:
    """A line for a task that there is none of, with the nearest there is.

    error : Luigi's, which lists names on separate lines
    """
    name = re.split(r"\. (?:Did you mean|Candidates)", str(error))[0].removeprefix("No task ")
    return f"error: unknown task {name}{did_you_mean(name, Register.task_names())}"
