"""Styles for QGIS, which takes ``NAME.qml`` for ``NAME.tif`` when it opens one."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

PALETTE = "YlGn"
"""Colours of every map of values: pale where there is little, and unlike the sea."""
OUTSIDE = "#d55e00"
"""Colour of what is outside of the area of applicability."""
_STEPS = 11


def write(out: Path, relative: bool, highest_richness: float) -> None:
    """Write the styles of a map's files.

    out : their folder
    relative : whether the values are a relative suitability
    highest_richness : species at the richest cell
    """
    what = "relative suitability" if relative else "probability"
    _ramp(out / "probability.qml", 1, 1.0, what)
    for path in sorted(out.glob("probability-*.tif")):
        _ramp(path.with_suffix(".qml"), 1, 1.0, what)
    _ramp(out / "richness.qml", 2, highest_richness, "species")
    _classes(
        out / "applicability.qml", 2, {0: ("outside of what was learned", OUTSIDE, 255), 1: ("inside", "#ffffff", 0)}
    )


def _style(path, band, kind, **attributes):
    style = ElementTree.Element("qgis", version="3.28.0", styleCategories="Symbology")
    pipe = ElementTree.SubElement(style, "pipe")
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type=kind, band=str(band), opacity="1", alphaBand="-1", **attributes
    )
    return style, renderer


def _save(path, style):
    ElementTree.indent(style)
    path.write_text("<!DOCTYPE qgis>\n" + ElementTree.tostring(style, encoding="unicode") + "\n", encoding="utf-8")


def _ramp(path, band, highest, what):
    style, renderer = _style(
        path, band, "singlebandpseudocolor", classificationMin="0", classificationMax=f"{highest:.6g}"
    )
    shader = ElementTree.SubElement(ElementTree.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib |= {
        "colorRampType": "INTERPOLATED",
        "classificationMode": "1",
        "minimumValue": "0",
        "maximumValue": f"{highest:.6g}",
        "clip": "0",
    }
    colours = colormaps[PALETTE]
    for share in np.linspace(0, 1, _STEPS):
        value = share * highest
        ElementTree.SubElement(
            shader, "item", value=f"{value:.6g}", label=f"{value:.3g} {what}", color=to_hex(colours(share)), alpha="255"
        )
    _save(path, style)


def _classes(path, band, classes):
    style, renderer = _style(path, band, "paletted")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, (text, colour, alpha) in classes.items():
        ElementTree.SubElement(palette, "paletteEntry", value=str(value), label=text, color=colour, alpha=str(alpha))
    _save(path, style)
