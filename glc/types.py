"""Names for types that several packages share and that no class of theirs says."""

from pathlib import Path
from typing import Any, Protocol, TypeAlias

StrPath: TypeAlias = str | Path
"""A file or folder, as a person or a caller writes it."""

JSON: TypeAlias = Any
"""What JSON and TOML can hold: null, true or false, a number, text, a list, or a table of these. Which of them a key
has, its writer says; a reader of one key would gain nothing from the union."""

Facts: TypeAlias = dict[str, JSON]
"""What a step tells of its output, by name; it goes into the manifest (`glc.storage`)."""

MemberOptions: TypeAlias = Any
"""The options of a registered member: the section that the member itself declares as ``Options``."""

Annotation: TypeAlias = Any
"""A type as a field is annotated with it: a class, a generic, or either with bounds."""

Registered: TypeAlias = Any
"""What a registry holds: a class, a function or an instance, by the kind of the registry."""

Keywords: TypeAlias = Any
"""Arguments that are handed on as they are to a library, which says what it accepts."""


class Say(Protocol):
    """Called with a line about what is being done and how many percent of it are; `print` is one."""

    def __call__(self, text: str, percent: float = ..., /) -> object: ...
