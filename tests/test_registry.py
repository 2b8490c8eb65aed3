import pytest

from glc.errors import ConfigError
from glc.registry import Registry, decoders, editions, losses, models


def test_members_are_found_without_a_list():
    assert {"frequency", "nearest", "votes", "geolocation"} <= set(models.choices())
    assert {"asl", "bce", "hill", "sigmoid_f1"} <= set(losses.choices())
    assert {"all", "expected_f1", "threshold", "threshold_top_k", "top_k"} <= set(decoders.choices())
    assert {"glc2022", "glc2023", "glc2024", "glc2025"} <= set(editions.choices())


def test_a_name_belongs_to_one_member():
    registry = Registry("thing", "glc.prediction")
    registry.register("one")(type("A", (), {}))
    with pytest.raises(ConfigError, match="registered twice"):
        registry.register("one")(type("B", (), {}))


def test_every_member_has_options_with_a_docstring():
    for registry in (models, losses, decoders):
        for name in registry.choices():
            member = registry.get(name)
            assert member.__doc__, name
            assert member.Options.__doc__, name
