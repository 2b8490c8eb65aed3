"""matplotlib's SVG as a part of a page: it follows the page's width, font and colours."""

import hashlib
import re
from collections.abc import Callable
from html import escape, unescape

from glc.report import palette
from glc.types import Keywords

LEGIBLE = 11
"""Least height of a figure's text in pixels: a figure that would be shown smaller scrolls instead."""
COLUMN = 480
"""Pixels up to which two figures lie next to each other; one that must be wider has a row for itself."""
UNDATED: Keywords = dict.fromkeys(("Creator", "Date", "Format", "Type"))
"""Metadata of a file whose bytes are the same for the same data."""


_DESCRIPTION = re.compile(r"<metadata>.*?<dc:description>(.*?)</dc:description>.*?</metadata>", re.DOTALL)


def description(text: str) -> str:
    """What an SVG file's metadata say that it shows; empty if they do not."""
    hit = _DESCRIPTION.search(text)
    return unescape(hit[1]) if hit else ""


def inline(text: str, alt: str, themed: Callable[[str], str] = palette.themed) -> str:
    """An SVG file's text as an ``<svg>`` element of a page.

    text : as matplotlib writes it; its ids become unique among all figures
    alt : what the figure shows, for readers who cannot see it
    themed : puts the page's colours in the place of the figure's
    """
    text = _DESCRIPTION.sub("", text)
    head, body = text[text.index("<svg") :].split(">", 1)
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:8]
    linked = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in linked else "", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", body)
    body = re.sub(r" font-family: [^;\"]*;", "", body)  # the page's
    smallest = min((float(size) for size in re.findall(r"font-size: ([\d.]+)px", body)), default=LEGIBLE)
    width, height = (round(float(side), 2) for side in re.findall(r'(?:width|height)="([\d.]+)pt"', head))
    least = width * LEGIBLE / smallest
    wide = ' class="wide"' if least > COLUMN else ""
    bounds = f"min-width:{least:.0f}px;max-width:{max(width * 4 / 3, least):.0f}px"
    size = f'viewBox="0 0 {width:g} {height:g}" style="{bounds}"'
    return f'<svg{wide} {size} role="img" aria-label="{escape(alt)}">{themed(body.strip())}'
