"""Numbers come back from a script as they were, and text cannot leave it."""

import json

import numpy as np
import pytest

from glc.explorer import encode
from tests.explorer.conftest import unpack


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_numbers_come_back_extremes_included(kind):
    limits = np.iinfo(kind)
    rng = np.random.default_rng(0)
    values = rng.integers(limits.min, limits.max, (3, 5, 7), dtype=kind, endpoint=True)
    values[0, 0, :4] = limits.max, limits.min, limits.max, limits.min
    assert np.array_equal(unpack(encode.array(values)), values.ravel())


def test_numbers_with_a_fraction_are_refused():
    with pytest.raises(TypeError, match="found float32, expected uint8"):
        encode.array(np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("text", ["</script><b>", "a\u2028b\u2029c", "<!--", "&lt;", '");alert(1);("', "\\", "Élan"])
def test_text_cannot_leave_a_script(text):
    script = encode.script("site", {text: [text]}).decode("ascii")
    assert not set("<>&\u2028\u2029") & set(script)
    assert script.count("\n") == 1
    content = script.removeprefix('glc.put("site",').removesuffix(");\n")
    assert json.loads(content) == {text: [text]}


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        encode.script("site", [float("nan")])
