"""A captioned figure: its caption is shown and is the picture's alternative text."""

from matplotlib.figure import Figure

from glc.report.captioned import Captioned


def test_the_caption_is_shown_and_is_the_alternative_text():
    shown = Captioned(Figure(), 'Species < 5 & "rare"')._repr_html_()
    assert shown.count("Species &lt; 5 &amp; &quot;rare&quot;") == 2
    assert 'alt="Species' in shown
    assert "<figcaption>Species" in shown


def test_the_picture_is_a_png():
    assert Captioned(Figure(), "").png.startswith(b"\x89PNG")
