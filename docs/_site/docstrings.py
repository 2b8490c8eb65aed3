"""Our docstrings as Markdown, for mkdocstrings: a parameter per line becomes a list, examples become code."""

import re
from typing import Any

import griffe

_PARAMETER = re.compile(r"^(?P<names>\*{0,2}[A-Za-z_]\w*(?:, \*{0,2}[A-Za-z_]\w*)*) : (?P<text>.*)$")


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is shown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """A docstring as Markdown.

    text : a docstring, its indentation removed
    returns : lines ``name : meaning``, with the indented lines that continue them, as a list; what `>>>` begins, up to
        the next blank line, as a block of Python
    """
    lines: list[str] = []
    listed = example = False
    for line in text.replace("``", "`").splitlines():
        parameter = _PARAMETER.match(line)
        if example and not line.strip():
            lines.append("```")
            example = False
        if line.startswith(">>>") and not example:
            lines += ["", "```python"]
            example = True
        if parameter and not example:
            lines += ([] if listed else [""]) + [f"- **{parameter['names']}**: {parameter['text']}"]
            listed = True
        elif listed and line.startswith(" "):
            lines.append(f"  {line.strip()}")
        else:
            lines += [""] if listed and line else []
            lines.append(line)
            listed = False
    return "\n".join(lines + ["```"] * example)
