"""`Explorer`: from a finished map to a site at its stable place, without Spark: map and model are made by hand."""

import json
import shutil
from pathlib import Path

import pytest

from glc import storage
from glc.errors import ConfigError, DataError
from glc.explorer import site
from glc.products import chain, product_of
from glc.tasks import Explorer
from glc.tasks.verify import look
from tests.explorer.conftest import write_map, write_model
from tests.tasks.pipeline import TINY, build

MODEL = "store/virtual-tiny/Model-0123456789ab"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of a map and of the files of its model."""
    folder = tmp_path_factory.mktemp("made")
    write_model(folder / "model")
    write_map(folder / "map", species=3, resolution=20_000)
    return folder


def finished_map(root, made, name="", identity="aaaaaaaaaaaa"):
    """Put a map, and the model that it was made from, where the tasks would."""
    with storage.atomic_directory(root / MODEL, task="Model", identity="0123456789ab", inputs=[]) as out:
        shutil.copytree(made / "model", out, dirs_exist_ok=True)
    inputs = [{"task": "Model", "identity": "0123456789ab", "folder": MODEL}]
    folder = root / "maps" / "virtual-tiny" / "votes" / name
    with storage.atomic_directory(folder, task="DistributionMap", identity=identity, inputs=inputs) as out:
        shutil.copytree(made / "map", out, dirs_exist_ok=True)
    return folder


def task(root, **options):
    return Explorer(root=str(root), dataset=TINY, experiment="votes", **options)


def test_a_finished_map_becomes_a_site_at_its_stable_place(tmp_path, made):
    finished_map(tmp_path, made)
    explorer = task(tmp_path)
    done, _ = build(explorer)
    assert done
    folder = tmp_path / "explorer" / "virtual-tiny" / "votes"
    assert (folder / "index.html").is_file()
    storage.check(folder)
    assert storage.manifest(folder)["species"] == 3
    assert explorer.results()[1].endswith((folder / "index.html").as_uri())
    root, output, warning = product_of(folder / "index.html")
    assert [step.task for step in chain(root, output)] == ["Explorer", "FinishedMap", "Model"]
    assert not warning
    assert task(tmp_path).complete()
    assert not task(tmp_path, species="100").complete()


def test_a_map_that_is_made_again_makes_a_new_site(tmp_path, made):
    finished_map(tmp_path / "a", made)
    finished_map(tmp_path / "b", made, identity="bbbbbbbbbbbb")
    assert task(tmp_path / "a").identity != task(tmp_path / "b").identity


def test_sites_with_a_name_stay_when_the_one_without_is_made(tmp_path, made):
    for name in ("", "coarse"):
        finished_map(tmp_path, made, name)
    for name in ("coarse", ""):
        done, _ = build(task(tmp_path, map=name, species="101"))
        assert done
    folder = tmp_path / "explorer" / "virtual-tiny" / "votes"
    assert storage.manifest(folder)["species"] == storage.manifest(folder / "coarse")["species"] == 1
    assert task(tmp_path, map="coarse", species="101").complete()


def test_a_map_that_is_not_there_is_refused_with_those_that_are(tmp_path, made):
    with pytest.raises(ConfigError, match=r"^no finished map in .*; found none; .* glc map votes --dataset"):
        task(tmp_path).requires()
    finished_map(tmp_path, made, "coarse")
    with pytest.raises(ConfigError, match=r"found coarse; give --map NAME"):
        task(tmp_path, species="100").requires()
    for name in ("", "coarse"):
        finished_map(tmp_path / "both", made, name)
    with pytest.raises(ConfigError, match=r"--map fine: .*; found the map without a name, coarse; .* --name fine"):
        task(tmp_path / "both", map="fine").requires()
    with pytest.raises(ConfigError, match="the site has a folder of this name"):
        task(tmp_path, map=site.FOLDER).check()


def test_what_cannot_be_shown_is_refused_before_anything_runs(tmp_path, made):
    folder = finished_map(tmp_path, made)
    with pytest.raises(ConfigError, match="--species: found '7', expected ids or names of the 3 species of the map"):
        task(tmp_path, species="7").check()
    storage.remove(tmp_path / MODEL)
    with pytest.raises(DataError, match=f"{folder}: made from the fitted experiment 0123456789ab, which is neither"):
        task(tmp_path).check()


def test_a_site_that_fails_in_the_middle_is_nowhere(tmp_path, made, monkeypatch):
    finished_map(tmp_path, made)
    write_bytes = Path.write_bytes

    def fails(path, content):
        if path.name == "surveys.js":
            raise OSError("the disk is full")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fails)
    done, _ = build(task(tmp_path))
    assert not done
    left = [path for folder in ("explorer", "store/virtual-tiny") for path in (tmp_path / folder).glob("**/*.html")]
    assert left == []
    assert not (tmp_path / "explorer").exists()


def test_a_damaged_map_is_not_shown(tmp_path, made):
    folder = finished_map(tmp_path, made)
    item = json.loads((folder / "item.json").read_text())
    item["properties"]["title"] = "another"
    (folder / "item.json").write_text(json.dumps(item))
    done, _ = build(task(tmp_path))
    assert not done
    assert not (tmp_path / "explorer").exists()


def test_verify_looks_into_folders_that_are_published_whole(tmp_path, made):
    finished_map(tmp_path, made)
    explorer = task(tmp_path)
    assert build(explorer)[0]
    findings = look(tmp_path)
    assert (findings.damaged, findings.published) == ([], 1)
    page = explorer.site_folder / "index.html"
    page.write_bytes(page.read_bytes().replace(b"Layer", b"layer", 1))
    (damaged,) = look(tmp_path).damaged
    assert str(page) in damaged
    shutil.rmtree(explorer.site_folder)
    assert look(tmp_path).damaged == []
