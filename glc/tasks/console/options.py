"""Tasks and options of a Luigi command line that there are not: what Luigi refuses without saying what was meant."""

import re

from luigi.task_register import Register

from glc.errors import did_you_mean


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
            lines.append(f"error: unknown option {option}{did_you_mean(option, known)}")
    return lines


def unknown_task(error: BaseException) -> str:
    """A line for a task that there is none of, with the nearest there is.

    error : Luigi's, which lists names on separate lines
    """
    name = re.split(r"\. (?:Did you mean|Candidates)", str(error))[0].removeprefix("No task ")
    return f"error: unknown task {name}{did_you_mean(name, Register.task_names())}"
