"""Every key of every section refuses what does not fit, and says where, what it found and what it expected."""

import ast
import dataclasses
import datetime
import importlib
import math
import types
import typing
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt, MultipleOf

import glc
from glc import config
from glc.config import EACH_ONCE, NONE, SOME, Choice, Count, Natural, Positive, Share, require, section
from glc.config.fields import bound_words, is_section, keys, split
from glc.errors import ConfigError

ROOT = Path(glc.__file__).parent


def _sections(body, above=""):
    """Dotted names of the classes under ``@section`` in a module's syntax tree."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            if any(ast.unparse(decorator) == "section" for decorator in node.decorator_list):
                yield f"{above}{node.name}"
            yield from _sections(node.body, f"{above}{node.name}.")


def _all_sections():
    """``module:Class`` of each section of glc, read from the files so that nothing has to be imported to list them."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        yield from (f"{module}:{name}" for name in _sections(ast.parse(path.read_text()).body))


SECTIONS = list(_all_sections())


def _load(name):
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _wrong(annotation):
    """Values, as TOML gives them, that an annotation must refuse for their type."""
    kind = split(annotation)[0]
    if types.NoneType in typing.get_args(annotation):  # a table that may be left out
        return [value for value in _wrong(kind) if value is not None]
    if kind is int:
        return ["5", True, 5.0, [5], {"a": 5}, None, math.inf]
    if kind is float:
        return ["5", True, [5.0], {"a": 5.0}, None, math.nan, math.inf]
    if kind is bool:
        return ["true", 1, 0, 1.0, [True], None]
    if kind is str:
        return [5, True, 5.0, ["a"], {"a": "b"}, None]
    if typing.get_origin(kind) is Literal:
        return [5, True, 5.0, "nonsense", ["a"], [typing.get_args(kind)[0]], None]
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        lists = [[value] for value in _wrong(inner)]
        # a table of an input may lack keys, but a list of tables is never one table
        return ["5", 5, True, 5.0, {"a": 5}, None, *lists]
    if kind is Choice:
        return [5, True, 5.0, ["a"], {"nam": "a"}, {"name": 5}, None]
    return [5, True, "5", 5.0, [5], None]  # a table


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_refuses_other_types_and_is_named(name):
    cls = _load(name)
    for key, annotation in keys(cls).items():
        for value in _wrong(annotation):
            with pytest.raises(ConfigError, match=rf"(?m)^mine\.toml: {key}(\.\d+)?: found .*, expected .") as refusal:
                config.build(cls, {key: value}, "mine.toml")
            assert "validation error" not in str(refusal.value)
            with pytest.raises(ConfigError, match=rf"(?m)^{cls.__qualname__}: {key}(\.\d+)?: found .*, expected ."):
                cls(**{key: value})


@pytest.mark.parametrize("name", SECTIONS)
def test_every_default_fits_its_key_and_a_list_is_a_tuple(name):
    cls = _load(name)
    for key in dataclasses.fields(cls):
        default = key.default if key.default_factory is dataclasses.MISSING else key.default_factory()
        if default is dataclasses.MISSING:
            continue
        again = config.value_of(keys(cls)[key.name], list(default) if isinstance(default, tuple) else default, "here")
        assert again == default
        assert type(again) is type(default) or (type(again), type(default)) == (float, int)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_limit_is_kept_and_told(name):
    for key, annotation in keys(_load(name)).items():
        kind = split(annotation)[0]
        items = typing.get_args(kind)[:1] if typing.get_origin(kind) is tuple else ()
        for annotated in (annotation, *items):
            _try_limits(key, annotated)


def _try_limits(key, annotation):
    kind, bounds = split(annotation)
    for bound in bounds:
        for value in _beyond(bound, 1 if kind is int else 1e-9):
            with pytest.raises(ConfigError, match=f"^{key}: found .*, expected {bound_words(annotation)}$"):
                config.value_of(annotation, value if isinstance(value, list) else kind(value), key)
        if isinstance(bound, (Ge, Le)) and not any(isinstance(other, MultipleOf) for other in bounds):
            edge = bound.ge if isinstance(bound, Ge) else bound.le
            assert config.value_of(annotation, kind(edge), key) == edge


def _beyond(bound, step):
    if isinstance(bound, Ge):
        return [bound.ge - step]
    if isinstance(bound, Gt):
        return [bound.gt, bound.gt - step]
    if isinstance(bound, Le):
        return [bound.le + step]
    if isinstance(bound, Lt):
        return [bound.lt, bound.lt + step]
    if isinstance(bound, Len):
        return [[]]
    return []


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_has_a_docstring(name):
    cls = _load(name)
    parents = [parent for parent in cls.__mro__ if is_section(parent)]
    for key, annotation in keys(cls).items():
        described = any(
            parent.__pydantic_fields__[key].description for parent in parents if key in parent.__pydantic_fields__
        )
        assert described or is_section(split(annotation)[0]), f"{name}.{key}"


@section
class Inner:
    """A section inside another."""

    size: Count = 3
    """How many."""

    def __post_init__(self):
        require(self.size < 10, "size", self, "below 10")


@section
class Outer:
    """A section to try."""

    share: Share = 1
    """Of all."""
    lengths: Annotated[tuple[Positive, ...], SOME, EACH_ONCE] = (1, 2)
    """Metres."""
    way: Literal["straight", "bent"] = "straight"
    """How."""
    inner: Inner = dataclasses.field(default_factory=Inner)
    """A table."""
    many: tuple[Inner, ...] = ()
    """Tables."""
    member: Choice = NONE
    """A member."""


@section
class Upper(Outer):
    """A section that inherits."""

    height: Annotated[int, MultipleOf(12), Ge(12)] = 24
    """More."""
    needed: Natural = dataclasses.field(kw_only=True)
    """Without a default."""


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"shar": 1}, "unknown key 'shar'; expected one of: share, lengths, way, .*; did you mean 'share'?"),
        ({"inner": {"siz": 1}}, "inner: unknown key 'siz'; expected one of: size; did you mean 'size'?"),
        ({"many": [{}, {"siz": 1}]}, "many.1: unknown key 'siz'; expected one of: size; did you mean 'size'?"),
        ({"inner": {"size": 0}}, "inner.size: found 0, expected at least 1"),
        ({"inner": {"size": 10}}, "inner.size: found 10, expected below 10"),
        ({"many": [{"size": 1}, {"size": 10}]}, "many.1.size: found 10, expected below 10"),
        ({"share": 1.5}, "share: found 1.5, expected 0 to 1"),
        ({"lengths": []}, r"lengths: found \[\], expected 1 or more values, each once"),
        ({"lengths": [1, 2, 1.0]}, r"lengths: found \(1.0, 2.0, 1.0\), expected each once"),
        ({"lengths": [1, 0]}, "lengths.1: found 0, expected above 0"),
        ({"lengths": ["1"]}, "lengths.0: found '1', expected a number"),
        ({"way": "strait"}, "way: found 'strait', expected one of 'straight', 'bent'; did you mean 'straight'?"),
        ({"member": {"k": 1}}, "member: found {'k': 1}, expected a name or a table with the key 'name'"),
        ({"inner": 3}, "inner: found 3, expected a table of keys"),
    ],
)
def test_a_refusal_names_the_key_what_was_found_and_what_was_expected(values, text):
    with pytest.raises(ConfigError, match=rf"^mine\.toml: {text.replace('?', '[?]')}$"):
        config.build(Outer, values, "mine.toml")


def test_a_missing_key_a_multiple_and_no_table_at_all():
    with pytest.raises(ConfigError, match=r"^x: key 'needed' is missing; add it$"):
        config.build(Upper, {}, "x")
    with pytest.raises(ConfigError, match=r"^x: height: found 30, expected a multiple of 12, at least 12$"):
        config.build(Upper, {"height": 30, "needed": 0}, "x")
    with pytest.raises(ConfigError, match=r"^x: found \[1\], expected a table of keys$"):
        config.build(Upper, [1], "x")


def test_all_that_is_wrong_is_told_at_once_and_unknown_keys_first():
    with pytest.raises(ConfigError) as refusal:
        config.build(Upper, {"need": 1, "share": 2}, "x")
    unknown, share, missing = str(refusal.value).splitlines()
    assert unknown.startswith("x: unknown key 'need'")
    assert unknown.endswith("did you mean 'needed'?")
    assert {share, missing} == {"x: share: found 2, expected 0 to 1", "x: key 'needed' is missing; add it"}


def test_sections_from_python_are_checked_converted_frozen_and_hashable():
    made = Outer(1, [3, 4])
    assert (made.share, made.lengths) == (1.0, (3.0, 4.0))
    assert isinstance(made.share, float)
    assert hash(made) == hash(Outer(share=1.0, lengths=(3, 4)))
    assert dataclasses.replace(made, share=0.5) == Outer(0.5, (3, 4))
    with pytest.raises(ConfigError, match=r"^Outer: share: found 2, expected 0 to 1$"):
        dataclasses.replace(made, share=2)
    with pytest.raises(ConfigError, match=r"^Outer: share: found True, expected a number$"):
        Outer(True)
    with pytest.raises(ConfigError, match=r"^Outer: found 7 values, expected at most 6$"):
        Outer(1, (1,), "bent", Inner(), (), NONE, 3)
    with pytest.raises(TypeError, match="share"):
        Outer(1, share=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.share = 0.0


def test_a_check_of_several_keys_is_a_config_error_also_outside_a_section():
    with pytest.raises(ConfigError, match=r"^inner\.size: found 3, expected 4$"):
        require(False, "inner.size", Inner(), "4")


def test_a_choice_is_a_name_or_a_table():
    assert config.value_of(Choice, "raw", "x") == Choice("raw")
    assert config.value_of(Choice, {"name": "raw", "k": [1]}, "x") == Choice("raw", {"k": [1]})
    assert config.value_of(Choice, {"name": "raw", "options": {"k": 1}}, "x") == Choice("raw", {"k": 1})
    assert Outer(member="raw").member == Choice("raw")
    assert hash(Choice("raw", {"k": 1})) == hash(Choice("raw", {"k": 1.0}))


def test_numbers_keep_every_digit_on_their_way():
    for value in (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789.123456789):
        assert config.value_of(float, value, "x") == value
    assert config.value_of(int, 2**70 + 1, "x") == 2**70 + 1


def test_a_date_of_toml_fits_nowhere():
    with pytest.raises(ConfigError, match=r"share: found .*2024-01-01.*, expected a number"):
        config.build(Outer, {"share": datetime.date(2024, 1, 1)}, "x")
