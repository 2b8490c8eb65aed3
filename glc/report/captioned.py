"""A figure with a caption, as a notebook shows it."""

import base64
import html
import io

from matplotlib.figure import Figure


class Captioned:
    """A matplotlib figure above its caption, which is the picture's alternative text too.

    figure : drawn when this is made
    caption : one or two sentences, with the values that matter
    """

    def __init__(self, figure: Figure, caption: str) -> None:
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110, facecolor="white")
        self.png, self.caption = picture.getvalue(), caption

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        text, data = html.escape(self.caption), base64.b64encode(self.png).decode()
        return f'<figure><img src="data:image/png;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'
