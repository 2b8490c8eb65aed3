import pytest

from glc import config
from glc.config import Variant, file_name
from glc.config.variant import merge
from glc.errors import ConfigError


def test_what_a_person_writes_is_what_a_program_says():
    written = Variant.parse("votes+validation.run=3+model.prior=500")
    assert written == Variant("votes").changed(model={"prior": 500}, validation={"run": 3})
    assert written == Variant("votes").changed({"model.prior": 500}).changed({"validation.run": 3})
    assert written.changes == (("model.prior", 500), ("validation.run", 3))
    assert written.name == str(written) == "votes+model.prior=500+validation.run=3"
    assert {written: 1}[Variant.parse(written.name)] == 1


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("a+b.c=1e+3", {"b.c": 1000.0}),
        ("a+b=word", {"b": "word"}),
        ("a+b=true", {"b": True}),
        ('a+b="true"', {"b": "true"}),
        ('a+m=["b+c=1","d"]+e=2', {"m": ["b+c=1", "d"], "e": 2}),
        ("a+m=['b+c=1']+e=2", {"m": ["b+c=1"], "e": 2}),
        ("a+m=[\"b+s.c='United States'\"]", {"m": ["b+s.c='United States'"]}),
        ('a+inputs=[{tiles="sentinel2",block=0},{graph={name="gfv"}}]',
         {"inputs": [{"tiles": "sentinel2", "block": 0}, {"graph": {"name": "gfv"}}]}),
    ],
)  # fmt: skip
def test_values_of_every_kind_are_read_and_written_back(text, changes):
    variant = Variant.parse(text)
    assert dict(variant.changes) == changes
    assert Variant.parse(str(variant)) == variant


@pytest.mark.parametrize("text", ["votes+prior", "votes+=3", "votes+a b=3", "votes+model.=1"])
def test_what_is_no_change_is_refused(text):
    with pytest.raises(ConfigError, match=r"expected table\.key=value, as in votes\+model\.prior=500"):
        Variant.parse(text)


def test_another_member_or_table_forgets_the_changes_below_it():
    variant = Variant.parse("votes+model.prior=500+train.loss.name=asl+train.loss.clip=0.1")
    assert variant.changed({"model.name": "knn", "train.loss.name": "asl"}).changes == (
        ("model.name", "knn"),
        ("train.loss.name", "asl"),
        ("train.loss.clip", 0.1),
    )
    inputs = Variant("tile-cnn").changed({"inputs.0.block": 4})
    assert inputs.changed(inputs=[]).changes == (("inputs", []),)


def test_a_name_comes_before_the_options_of_its_member():
    experiment = config.load("geolocation+decode.k=20+decode.name=top_k")
    assert experiment.decode == config.Choice("top_k", {"k": 20})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("votes+model.prior=500", "votes+model.prior=500"),
        ('a+b="../../x y"', "a+b=%22..%2F..%2Fx%20y%22"),
        ("..", "%2E."),
        ("é~", "%C3%A9%7E"),
    ],
)
def test_a_file_name_cannot_leave_its_folder(name, expected):
    assert file_name(name) == expected


def test_long_names_end_in_a_hash_and_stay_apart():
    names = [file_name(f"votes+model.members={'é' * 200}{end}") for end in "ab"]
    assert names[0] != names[1]
    assert {len(name.encode()) <= 120 for name in names} == {True}


def test_tables_are_merged_and_another_member_brings_no_options():
    below = {"model": {"name": "votes", "prior": 5}, "train": {"loss": "bce", "seed": 1}, "inputs": [1]}
    above = {"model": {"prior": 6}, "train": {"loss": {"name": "asl", "clip": 0.1}}, "inputs": [2]}
    assert merge(below, above) == {
        "model": {"name": "votes", "prior": 6},
        "train": {"loss": {"name": "asl", "clip": 0.1}, "seed": 1},
        "inputs": [2],
    }
    assert merge(below, {"model": {"name": "knn"}})["model"] == {"name": "knn"}
    assert merge({"model": "tile_cnn"}, {"model": {"latent": 2}})["model"] == {"name": "tile_cnn", "latent": 2}


def write(folder, name, text):
    (folder / f"{name}.toml").write_text(text)
    return str(folder / f"{name}.toml")


def test_a_toml_says_what_differs_from_its_base(tmp_path):
    first = write(tmp_path, "first", 'base = "votes"\ndescription = "mine"\nmodel = { prior = 7.0 }')
    second = write(tmp_path, "second", 'base = "first.toml"\nvalidation = { run = 2 }')
    votes, experiment = config.load("votes"), config.load(second)
    assert experiment.name == "second"
    assert experiment.description == "mine"
    assert experiment.model.options == {**votes.model.options, "prior": 7.0}
    assert experiment.validation.run == 2
    assert config.base_of(second) == Variant(first)
    assert config.base_of(f"{second}+validation.run=3") == Variant(second)
    assert config.base_of("votes") is None


def test_a_base_that_is_none_or_a_circle_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"first\.toml: base: unknown experiment 'vots'.*did you mean 'votes'"):
        config.load(write(tmp_path, "first", 'base = "vots"'))
    with pytest.raises(ConfigError, match="base: found 3, expected the name of an experiment"):
        config.load(write(tmp_path, "first", "base = 3"))
    first = write(tmp_path, "first", 'base = "second.toml"')
    write(tmp_path, "second", 'base = "first.toml"')
    with pytest.raises(ConfigError, match="first -> second -> first is a circle"):
        config.load(first)


def test_no_change_gives_an_experiment_another_name():
    with pytest.raises(ConfigError, match="unknown key 'name'"):
        config.load("votes+name=mine")
