"""A captioned figure: its caption is shown and is the picture's alternative text."""

import re
import xml.etree.ElementTree as ET

from matplotlib.figure import Figure

from glc.report.captioned import Captioned


def test_the_caption_is_shown_and_is_the_alternative_text():
    shown = Captioned(Figure(), 'Species < 5 & "rare"')._repr_html_()
    assert shown.count("Species &lt; 5 &amp; &quot;rare&quot;") == 2
    assert 'aria-label="Species' in shown
    assert "<figcaption>Species" in shown


def test_colours_are_those_of_the_page_and_light_where_it_has_none():
    figure = Figure()
    ax = figure.subplots()
    ax.plot([0, 1], color="black")
    ax.plot([1, 0], color="#D55E00", label="measured")
    ax.legend()
    shown = Captioned(figure, "")._repr_html_()
    assert "stroke: var(--ink, #1c2024)" in shown
    assert "stroke: var(--test, #D55E00)" in shown
    assert "fill: var(--ground, #ffffff)" in shown
    assert '<g fill="var(--ink, #1c2024)">' in shown  # of text, whose black is not written
    assert not re.findall(r"(?:fill|stroke): #", shown)
    assert "measured" in "".join(ET.fromstring(shown.replace("<svg ", '<svg xmlns:xlink="x" ')).itertext())
