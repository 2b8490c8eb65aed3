"""The pages' templates: Jinja with escaping, the shared look, and how numbers are written."""

import functools
from pathlib import Path

import jinja2
from markupsafe import Markup

import glc
from glc.report import palette


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"whole": whole, "shown": shown}
    environment.globals |= {"palette_css": Markup(palette.css()), "version": glc.__version__}
    return environment


@functools.cache
def template(name: str) -> jinja2.Template:
    """A page's or a section's template in this folder; what it is given is escaped."""
    return _environment().get_template(name)


def shown(value: float | None, form: str = ".4f") -> str:
    """A number under a format specification, or an en dash where there is none (None, NaN)."""
    return "–" if value is None or value != value else format(value, form)


def whole(value: float | None) -> str:
    """A whole number with commas between thousands, or an en dash where there is none."""
    return shown(value, ",")
