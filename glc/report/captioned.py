"""A figure with a caption, as a notebook shows it."""

import html
import io

from matplotlib import style
from matplotlib.figure import Figure

from glc.report import palette, svg


class Captioned:
    """A matplotlib figure above its caption, which is the picture's alternative text too.

    figure : drawn when this is made; it follows the colours of a page that has those of `glc.report.palette`
    caption : one or two sentences, with the values that matter
    """

    def __init__(self, figure: Figure, caption: str) -> None:
        picture = io.StringIO()
        with style.context({"svg.fonttype": "none", "svg.hashsalt": "glc"}):
            figure.savefig(picture, format="svg", dpi=110, metadata=svg.UNDATED)
        self.svg, self.caption = svg.inline(picture.getvalue(), caption, palette.themed_anywhere), caption

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<figure>{self.svg}<figcaption>{html.escape(self.caption)}</figcaption></figure>"
