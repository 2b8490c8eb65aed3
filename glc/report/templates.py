"""The pages' templates: Jinja with escaping, the shared look, and how numbers are written."""

import base64
import functools
import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

import glc
from glc.report import palette

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of a page that is one file without a script: it asks for nothing, whatever is in it. Styles
are inline because the pictures, which are SVG, have them as attributes."""


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
    script = environment.get_template("script.j2").render()
    code = script.partition("<script>")[2].rpartition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    environment.globals["policy"] = Markup(f"{POLICY}; script-src 'sha256-{digest}'")  # this one, and no other
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
