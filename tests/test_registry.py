import json
import subprocess
import sys

import pytest

from glc import registry as registries
from glc.errors import ConfigError
from glc.registry import Registry, decoders, editions, losses, models

EVERY = [value for value in vars(registries).values() if type(value) is Registry]


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


def test_a_cell_of_a_notebook_may_be_run_again():
    registry = Registry("thing", "glc.prediction")
    for number in (1, 2):
        registry.register("one")(type("A", (), {"__module__": "__main__", "number": number}))
    assert registry.get("one").number == 2
    with pytest.raises(ConfigError, match="registered twice"):
        registry.register("one")(type("A", (), {"__module__": "glc.prediction.own"}))


def test_every_member_and_each_of_its_options_is_described():
    for registry in (models, losses, decoders):
        for name in registry.choices():
            member = registry.get(name)
            assert member.__doc__, name
            sections = [cls.__pydantic_fields__ for cls in member.Options.__mro__[:-1]]
            for key in member.Options.__pydantic_fields__:  # pydantic forgets the description of an inherited one
                assert any(key in own and own[key].description for own in sections), f"{name}: {key}"


def imported(code):
    """Modules that a fresh interpreter has imported after `code`."""
    code = f"import sys, json; from glc import registry; {code}; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_looking_up_a_classical_model_imports_no_other_and_no_torch():
    modules = imported("registry.models.get('votes')")
    assert "glc.classical.votes" in modules
    assert {name for name in modules if name.startswith("glc.classical.")} == {
        "glc.classical._base",
        "glc.classical.votes",
    }
    assert not modules & {"torch", "pyspark", "pytorch_lightning", "timm", "glc.nets", "glc.ensembles"}


def test_looking_up_a_net_imports_no_other():
    modules = imported("registry.models.get('geolocation')")
    architectures = {name for name in modules if name.startswith("glc.nets.architectures.")}
    assert architectures == {"glc.nets.architectures._base", "glc.nets.architectures.geolocation"}
    assert not modules & {"timm", "petastorm", "pyspark", "pytorch_lightning", "glc.classical", "glc.ensembles"}


@pytest.mark.parametrize("registry", EVERY, ids=lambda registry: registry.kind)
def test_every_member_is_in_one_module_that_its_name_tells(registry):
    assert registry.choices()
    for name in registry.choices():
        module = registry.modules(name)[0]
        assert module in (*registry.places, *(f"{place}.{name}" for place in registry.places))
        assert registry.get(name).name == name


def test_a_new_file_is_a_new_member_and_only_its_own_is_imported(tmp_path, monkeypatch):
    (tmp_path / "shop" / "things").mkdir(parents=True)
    for name in ("shop/__init__", "shop/things/__init__", "shop/things/_base"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "shop" / "things" / "cup.py").write_text(
        "from tests import test_registry\n\n\n@test_registry.THINGS.register('cup')\nclass Cup:\n    pass\n"
    )
    (tmp_path / "shop" / "things" / "broken.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert THINGS.get("cup").name == "cup"
    assert THINGS.modules() == ["shop.things.broken", "shop.things.cup"]
    with pytest.raises(RuntimeError, match="imported"):
        THINGS.choices()


THINGS = Registry("thing", "shop.things")
