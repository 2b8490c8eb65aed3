import pytest

from glc.config import EncoderPretraining, build, canonical
from glc.errors import ConfigError


def test_a_section_is_the_same_after_its_canonical_form():
    made = build(
        EncoderPretraining, {"features": {"name": "harmonics", "degree": 10}, "leave_out": ["tmean_*"]}, "test"
    )
    assert made.leave_out == ("tmean_*",)
    assert made.features.options == {"degree": 10}
    assert canonical(made) != canonical(EncoderPretraining())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dim", 0),
        ("batch_size", 1),
        ("places", 600),
        ("holdout", 1.0),
        ("apart_km", -1.0),
        ("temperature", 0.001),
        ("bounds", (0.0, 0.0, 0.0, 9.0)),
        ("bounds", (0.0, 1.0)),
        ("regression", -1.0),
    ],
)
def test_values_that_cannot_be_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key}: found"):
        EncoderPretraining(**{key: value})
