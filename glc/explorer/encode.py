"""Values as scripts: arrays in few characters, and text that cannot leave its script."""

import base64
import json
import zlib

import numpy as np

from glc.types import JSON, Facts

_LEVEL = 6
# what ends a script in HTML, or a line of an older JavaScript; JSON's own escapes take care of quotes
_UNSAFE = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def array(values: np.ndarray) -> Facts:
    """An array of whole numbers as JSON: differences along the last axis, their bytes by rank, deflated, base64.

    values : (..., cols) uint8, uint16 or int32
    returns : ``bytes`` per number, whether they have a sign, ``cols`` and the ``data``
    """
    kind = values.dtype.newbyteorder("=")
    if kind not in (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32)):
        raise TypeError(f"found {values.dtype}, expected uint8, uint16 or int32")
    unsigned = values.view(f"u{kind.itemsize}")
    steps = np.diff(unsigned, axis=-1, prepend=unsigned.dtype.type(0))  # wraps round; so does JavaScript's sum
    ranks = np.ascontiguousarray(steps).view(np.uint8).reshape(-1, kind.itemsize).T
    packed = zlib.compress(np.ascontiguousarray(ranks).tobytes(), _LEVEL)
    return {
        "bytes": kind.itemsize,
        "signed": kind.kind == "i",
        "cols": int(values.shape[-1]),
        "data": base64.b64encode(packed).decode(),
    }


def script(name: str, content: JSON) -> bytes:
    """A script that hands `content` to the page under the name that it asked for.

    name : such as ``species/0``
    content : what JSON can hold; NaN is refused
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).translate(_UNSAFE)
    return f"glc.put({json.dumps(name)},{text});\n".encode()
