"""One colour per meaning, for every figure and page, with a shade for light and one for dark pages.

Figures are drawn in the light shades. Inside a page each becomes a CSS variable (`themed`), so that one figure serves
light, dark and printed pages; `css` defines the variables. Hues are from Okabe and Ito's and Paul Tol's palettes, which
colour-blind readers can tell apart. What is a raster inside a figure cannot change: it lies on `MAP`, light in both.
"""

import re
from dataclasses import dataclass

VALIDATION = "#0072B2"
TEST = "#D55E00"
BASELINE = "#A9B0B7"
PRESENT = "#009E73"
PREDICTED = "#8A4FA8"
TRAINING = "#8C6D31"
PRESENCE_ONLY = "#7FB2D9"
MODEL = "#4F5D95"
"""What the model itself says, or the only series of a figure: a response curve, the expected F1, an importance."""
OTHER = "#C44E52"
"""A second series of a figure that has no meaning in the list above."""

INK, SOFT, AXIS, GRID, GROUND = "#1c2024", "#59626b", "#8a9097", "#e3e6ea", "#ffffff"
"""Text; text of less weight; axes; grids and rules; the page."""
TINT = "#f4f7fa"
"""Ground of notes and code."""
MAP, BORDER, COAST = "#eef1f4", "#c3c9cf", "#7d858d"
"""Ground of maps and other rasters, and the lines on it."""

CATEGORIES = (
    "#332288", "#CC6677", "#117733", "#88CCEE", "#999933", "#AA4499", "#44AA99", "#882255", "#DDCC77", "#6E7781",
)  # fmt: skip
"""Folds, experiments and other groups without a fixed colour, in this order; none is a colour of a meaning."""


@dataclass(frozen=True)
class Shade:
    """A colour of the pages: name of its CSS variable, and what it is on light and on dark pages."""

    name: str
    light: str
    dark: str


SHADES = (
    Shade("validation", VALIDATION, "#4BA9E0"),
    Shade("test", TEST, "#F5904A"),
    Shade("baseline", BASELINE, "#717A83"),
    Shade("present", PRESENT, "#2FC79B"),
    Shade("predicted", PREDICTED, "#C08FDB"),
    Shade("training", TRAINING, "#C8A560"),
    Shade("presence-only", PRESENCE_ONLY, "#8FC3EA"),
    Shade("model", MODEL, "#A3AEE6"),
    Shade("other", OTHER, "#F08A8D"),
    Shade("ink", INK, "#e6e9ec"),
    Shade("soft", SOFT, "#a3acb5"),
    Shade("axis", AXIS, "#7d868f"),
    Shade("grid", GRID, "#343b42"),
    Shade("ground", GROUND, "#14181c"),
    Shade("tint", TINT, "#1e242a"),
    Shade("map", MAP, "#c6ccd2"),
    Shade("border", BORDER, "#9aa3ab"),
    Shade("coast", COAST, "#4f575f"),
    *(
        Shade(f"category-{number}", light, dark)
        for number, (light, dark) in enumerate(
            zip(
                CATEGORIES,
                ("#9C8FE8", "#E58A99", "#4FB873", "#88CCEE", "#C2C25A", "#D27FC4", "#5CC9B8", "#D1709E", "#E6D98C",
                 "#A7B0B9"),
                strict=True,
            )
        )
    ),
)  # fmt: skip
_MATPLOTLIB = {"#000000": INK, "#b0b0b0": GRID, "#cccccc": GRID, "#bbbbbb": BASELINE}
"""Colours of matplotlib's default style, and the light grey of points: what they are here."""
_VARIABLE = {shade.light.lower(): f"var(--{shade.name})" for shade in SHADES}


def themed(svg: str) -> str:
    """An SVG's text with the colours of this palette as CSS variables of the page; other colours are kept."""
    return re.sub("#[0-9a-fA-F]{6}", lambda match: _VARIABLE.get(match[0].lower(), match[0]), svg)


def themed_anywhere(svg: str) -> str:
    """As `themed`, with matplotlib's own black and greys too; light where a page does not define the variables."""
    for own, ours in _MATPLOTLIB.items():
        svg = svg.replace(own, ours)
    # black is not written where it fills: such parts take the colour of what is around them
    svg = f'<g fill="{INK}">{svg.removesuffix("</svg>")}</g></svg>'
    lights = {f"var(--{shade.name})": f"var(--{shade.name}, {shade.light})" for shade in SHADES}
    return re.sub(r"var\(--[\w-]+\)", lambda match: lights[match[0]], themed(svg))


def css() -> str:
    """The rules that define the variables: light, and dark where the reader's screen asks for it; never in print."""
    light = " ".join(f"--{shade.name}: {shade.light};" for shade in SHADES)
    dark = " ".join(f"--{shade.name}: {shade.dark};" for shade in SHADES)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark} }} }}"
    )


def category(number: int) -> str:
    """The colour of group `number` (from 0); after the last one they start again."""
    return CATEGORIES[number % len(CATEGORIES)]
