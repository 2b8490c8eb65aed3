"""What is refused before anything runs: exit code 40 (2 of argparse), the file or key, what was expected, the remedy.

No Spark is started: a case that reached it would need more than the time that one takes.
"""

import configparser
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import luigi
import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from luigi.cmdline_parser import CmdlineParser
from rasterio.transform import from_origin

from glc import config, memory, storage, world
from glc.config import paths
from glc.errors import ConfigError, DataError, debugging, explain, run_command
from glc.etl import cube_table, tiles
from glc.location.downstream.__main__ import main as reference
from glc.report import location, lowpass
from glc.tasks import machine, preflight, scheduler
from glc.tasks.console import options
from glc.tasks.surveys import VirtualPart
from glc.training import loading
from tests.scenarios.spark_cluster import free_port

TINY = ("--dataset", "virtual:tiny")
VOTES = ("Submission", *TINY, "--experiment", "votes")
GEOLOCATION = ("Submission", *TINY, "--experiment", "geolocation")


@pytest.fixture
def settings():
    """Set keys of a section of the settings for one test."""
    content = luigi.configuration.get_config()
    before = {name: dict(content.items(name)) for name in content.sections()}

    def change(key, value, section="machine"):
        content.set(section, key, value)

    yield change
    for name in content.sections():
        for key in dict(content.items(name)):
            content.remove_option(name, key)
        if name not in before:
            content.remove_section(name)
            continue
        for key, value in before[name].items():
            content.set(name, key, value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("wandb_mode", "offlin", ("one of: offline, online, disabled", "did you mean 'offline'")),
        ("logger", "tensorbord", ("one of: wandb, tensorboard, csv", "did you mean 'tensorboard'")),
        ("loader", "memori", ("one of: petastorm, memory", "did you mean 'memory'")),
        ("accelerator", "gpus", ("one of: auto, cpu, gpu", "did you mean 'gpu'")),
        ("spark_master", "loca[2]", ("local[CORES]", "spark://HOST:PORT")),
        ("spark_master", "local[0]", ("local[CORES]",)),
        ("memory_gb", "4g", ("from 2 to what the machine has",)),
        ("memory_gb", "1", ("Java takes 0.8 (a heap of 0.5), Python 0.7",)),
        ("memory_gb", "nan", ("from 2",)),
        ("memory_gb", "100000", (f"has {memory.of_machine():.1f}",)),
        ("verbose", "perhaps", ("true or false",)),
        ("devices", "0", ("how many, from 1",)),
        ("devices", "two", ("how many, from 1",)),
        ("compile", "perhaps", ("true or false",)),
        ("root", " ", ("a folder",)),
        ("spark_memory", "3g", ("unknown key", "memory_gb")),
        ("acelerator", "cpu", ("unknown key", "did you mean 'accelerator'")),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(refused, settings, key, value, words):
    settings(key, value)
    text = refused(*VOTES)
    assert f"[machine] {key}: " in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("master", ["local", "local[4]", "local[*]", "local[*, 4]", "spark://10.0.0.1:7077", "yarn"])
def test_masters_that_spark_knows_are_taken(settings, master):
    settings("spark_master", master)
    assert machine.machine().spark_master == master


def test_a_cluster_that_does_not_answer_is_refused_where_spark_has_work(refused, settings, tmp_path):
    port = free_port()
    settings("spark_master", f"spark://127.0.0.1:{port}")
    text = refused(*VOTES)
    assert f"no Spark master answers at 127.0.0.1:{port} (Connection refused)" in text
    assert "spark_master = local[2]" in text
    preflight.check(VirtualPart(dataset="virtual:tiny", root=str(tmp_path)))


def test_the_file_of_a_wrong_setting_is_named(tmp_path, settings, monkeypatch):
    path = tmp_path / "own.cfg"
    path.write_text("[machine]\nwandb_mode = offlin\n")
    monkeypatch.setattr(machine, "FILES", [*machine.FILES, path])
    settings("wandb_mode", "offlin")
    with pytest.raises(ConfigError, match=rf"^{path}: \[machine\] wandb_mode: found 'offlin'"):
        machine.machine()


def test_a_misspelt_section_is_refused(refused, settings):
    settings("memory_gb", "8", section="machines")
    assert refused(*VOTES) == "unknown section [machines]; did you mean [machine]?"


def test_a_settings_file_that_is_not_there_is_refused(refused, monkeypatch):
    monkeypatch.setattr(machine, "_OWN", "/no/such.cfg")
    assert refused(*VOTES).startswith("LUIGI_CONFIG_PATH=/no/such.cfg: no such file; expected settings such as")


def test_the_shipped_settings_name_every_key_once():
    content = configparser.RawConfigParser()
    content.read(config.CONF / "luigi.cfg")
    assert set(content["machine"]) == {name for name, _ in machine.machine.get_params()}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--machine-accelerator", "gpus", ("--machine-accelerator: found 'gpus', expected one of: auto, cpu, gpu",)),
        ("--machine-memory-gb", "1", ("--machine-memory-gb: found '1'",)),
        ("--workers", "0", ("--workers", "found 0, expected at least 1")),
        ("--workers", "two", ("--workers", "expected whole numbers")),
    ],
)
def test_an_option_of_the_machine_is_named(refused, option, value, words):
    text = refused(*VOTES, option, value)
    for word in words:
        assert word in text


def cases(folder):
    """(command, words of its message) of every case that only needs files; the case of the newcomer's table behind."""
    file = folder / "file"
    place = ["--dataset", str(folder / "world")]
    return {
        "dataset is a file": (("Surveys", "--dataset", str(file)), (f"{file}: is a file, expected the folder",)),  # 11
        "root is a file": ((*VOTES, "--root", str(file)), (f"{file} is a file", "ROOT=", "choose another")),  # 15
        "root below a file": ((*VOTES, "--root", str(file / "out")), (f"{file} is a file, expected a folder",)),
        "root cannot be written": ((*VOTES, "--root", "/proc/out"), ("--root /proc/out", "cannot be written")),  # 16
        "kind": (
            ("Cubes", *TINY, "--kind", "bioclm"),
            ("--kind (make: KIND=): found 'bioclm', expected one of: series", "did you mean 'bioclim'"),
        ),  # 19
        "covariate": (("Tiles", *TINY, "--covariate", "sentinel"), ("make: COVARIATE=", "did you mean 'sentinel2'")),
        "encoder": (
            ("Submission", *TINY, "--experiment", "geolocation-encoder", "--location-encoder", str(file)),
            (f"{file}: cannot be read as a location encoder (it is not a file of torch.save)", "make location-encoder"),
        ),  # 27
        "nceas": (("elith_2020.Nceas",), ("--data-folder (make: NCEAS=): found nothing, expected a folder",)),  # 33
        "norberg": (
            ("norberg_2019.Communities", "--data-folder", "/no/such"),
            ("--data-folder (make: NORBERG=) /no/such: no such folder",),
        ),
        "globe": (("PretrainLocation",), ("--imagery (make: GLOBE=): found nothing", "give a GeoTIFF")),  # 34
        "globe is missing": (
            ("PretrainLocation", "--imagery", "/no/such.tif"),
            ("--imagery (make: GLOBE=) /no/such.tif: no such file or folder",),
        ),  # 35
        "places": (("location_2024.Downstream",), ("--places (make: LOCATION=): found nothing",)),
        "preset": (
            ("inria_2020.Table1", *TINY, "--preset", "gpus"),
            ("--preset (make: PRESET=): found 'gpus', expected one of: cpu, gpu",),
        ),
        "encoders": (
            ("location_2024.Downstream", "--places", str(folder), "--encoders", "a.ckpt"),
            ("--encoders (make: ENCODERS=): found 'a.ckpt', expected JSON",),
        ),
        "gpu": ((*GEOLOCATION, "--machine-accelerator", "gpu"), ("accelerator: found gpu", "accelerator = auto")),  # 58
        "key": ((*GEOLOCATION, "--machine-wandb-mode", "online"), ("WANDB_API_KEY", "wandb_mode = offline")),  # 56
        "raster elsewhere": (
            ("Tiles", *place, "--covariate", "elevation", "--imagery-folder", str(folder / "us")),
            ("ASTER_Elevation.tif", "CRS EPSG:4326", "span lon -100 to -96, lat 41 to 45", "the surveys lon -"),
        ),  # 66
        "raster of another CRS": (
            ("Tabular", *place, "--covariates", '["elevation"]', "--imagery-folder", str(folder / "crs")),
            ("ASTER_Elevation.tif", "CRS EPSG:3035", "gdal_edit.py -a_srs"),
        ),
        "imagery": (
            ("Submission", *place, "--experiment", "tile-cnn"),
            ("no file of covariate 'sentinel2'", "IMAGERY=, --imagery-folder"),
        ),  # 68
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with the inputs of `cases`."""
    from tasks import elith_2020, inria_2020, location_2024, norberg_2019  # noqa: F401 - run by name

    folder = tmp_path_factory.mktemp("inputs")
    (folder / "file").write_text("not what it should be\n" * 20)
    (folder / "world").mkdir()
    world.write(world.SIZES["tiny"], folder / "world")
    for name, corner, crs in (("us", (-100, 45), 4326), ("crs", (5, 50), 3035)):
        path = folder / name / "EnvironmentalRasters/Elevation/ASTER_Elevation.tif"
        path.parent.mkdir(parents=True)
        profile = {"driver": "GTiff", "count": 1, "height": 400, "width": 400, "dtype": "int16", "crs": f"EPSG:{crs}"}
        with rasterio.open(path, "w", transform=from_origin(*corner, 0.01, 0.01), **profile) as file:
            file.write(np.arange(160_000, dtype="int16").reshape(1, 400, 400) % 1000)
    return folder


@pytest.mark.parametrize("name", cases(Path()))
def test_what_would_fail_later_is_refused_at_once(refused, inputs, name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    command, words = cases(inputs)[name]
    text = refused(*command)
    for word in words:
        assert word in text


def test_a_task_that_trains_no_net_needs_neither_gpu_nor_key(settings, monkeypatch):
    settings("accelerator", "gpu")
    settings("wandb_mode", "online")
    monkeypatch.setattr(preflight, "has_gpu", lambda: False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    from glc.tasks import Folds

    assert [task.task_family for task in preflight._pending(Folds(dataset="virtual:tiny", root="/no/such"))] == [
        "VirtualPart",
        "Surveys",
        "Folds",
    ]
    for task in preflight._pending(Folds(dataset="virtual:tiny", root="/no/such")):
        task.check()


def test_more_processes_of_a_training_than_gpus_or_memory_are_refused(settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    settings("devices", "3")
    settings("memory_gb", "4")
    with pytest.raises(ConfigError, match=r"devices: found 3, expected at most 2: each process takes 0.7 GB"):
        preflight.check_training()
    settings("devices", "2")
    preflight.check_training()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"devices: found 2, expected at most 1, the GPUs of this machine"):
        preflight.check_training()
    settings("accelerator", "cpu")
    preflight.check_training()


def test_nets_are_not_compiled_without_a_compiler(settings, monkeypatch):
    settings("compile", "true")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"compile: found true, but there is no C\+\+ compiler \(no-such-compiler\)"):
        preflight.check_training()
    monkeypatch.setenv("CXX", "true")
    preflight.check_training()


def test_a_logger_that_is_not_installed_is_refused_before_training(settings, monkeypatch):
    settings("logger", "tensorboard")
    preflight.check_training()
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"found tensorboard, which is not installed; try: pip install"):
        preflight.check_training()


def test_a_finished_experiment_is_not_logged_online_without_a_key(settings, monkeypatch):
    settings("wandb_mode", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(preflight, "has_key", lambda: False)
    from glc.tasks import WandbRun

    with pytest.raises(ConfigError, match=r"wandb_mode: found online, but neither"):
        preflight.check(WandbRun(dataset="virtual:tiny", experiment="votes", root="/no/such"))


def test_a_central_scheduler_that_is_not_there_is_reported_at_once(refused, settings):
    settings("local_scheduler", "false", section="core")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = refused(*VOTES, "--scheduler-host", "127.0.0.1", "--scheduler-port", str(port))
    assert f"no central scheduler at http://127.0.0.1:{port}/" in text
    assert "make scheduler" in text
    assert preflight.PATIENCE < 2


def test_a_scheduler_on_a_taken_port_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127.0.0.1: Address already in use; .*ARGS='--port N'"):
            scheduler.main(["--port", str(port)])


def test_the_state_of_the_scheduler_is_its_users_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = scheduler.state_folder()
    assert folder == tmp_path / "state" / "glc"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert scheduler.state_folder().stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        scheduler.state_folder()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert scheduler.state_folder() == tmp_path / ".local" / "state" / "glc"


@pytest.mark.parametrize(
    ("main", "arguments", "words"),
    [
        (location.main, ["", "out.png"], "make location-similarity ENCODER=FILE"),  # 29
        (lowpass.main, ["", "out.png"], "make low-pass RASTER=FILE.tif"),  # 30
        (reference, [""], "make location-reference LOCATION=FOLDER"),
    ],
)
def test_a_program_ends_with_the_text_and_the_code(capsys, monkeypatch, main, arguments, words):
    monkeypatch.delenv("DEBUG", raising=False)
    with pytest.raises(SystemExit) as end:
        run_command(lambda: main(arguments))
    assert end.value.code == 40
    text = capsys.readouterr().err
    assert words in text
    assert len(text.splitlines()) == 1


def test_a_place_that_is_not_on_earth_is_refused_before_the_encoder_is_read(capsys):  # 28
    with pytest.raises(SystemExit) as end:
        location.main(["/no/such.ckpt", "out.png", "--at=200,95"])
    assert end.value.code == 2
    assert "found '200,95', expected degrees within ±180 and ±90, lon first" in capsys.readouterr().err


def test_debug_adds_the_traceback(monkeypatch):
    def fail():
        raise ConfigError("too blue")

    with pytest.raises(ConfigError) as end:
        fail()
    monkeypatch.setenv("DEBUG", "0")
    assert not debugging()
    assert explain(end.value) == "error: too blue"
    monkeypatch.setenv("DEBUG", "1")
    assert explain(end.value).startswith("Traceback")
    assert explain(end.value).splitlines()[-1] == "error: too blue"


def test_an_unknown_option_is_answered_with_the_nearest():  # 20
    command = ["--module", "glc.tasks", "Submission", "--experimnt", "votes", "--workers", "2", "--Submission-root=o"]
    assert options.suggestions(command) == ["error: unknown option --experimnt; did you mean '--experiment'?"]
    assert options.suggestions(["Submission", "--dataset", "d", "--exper", "votes", "--machine-verbose"]) == []
    assert options.suggestions(["Submision", "--experimnt"]) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--zzzz", "1"], "error: unknown option --zzzz; --help lists the options"),
        (["--experimnt", "votes"], "error: unknown option --experimnt; did you mean '--experiment'?"),
        (["--dataset"], "error: argument --dataset: expected one argument; --help lists the options"),
    ],
)
def test_an_option_that_luigi_cannot_read_is_one_line(monkeypatch, capsys, words, line):
    command = ["Submission", *words]
    monkeypatch.setattr(CmdlineParser, "_build_parser", CmdlineParser._build_parser)  # undone after the test
    options.answer_in_one_line(command)
    with pytest.raises(SystemExit) as end:
        CmdlineParser(command)
    assert end.value.code == 2
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("what", ["code", "text", "cut", "empty"])
def test_a_refused_checkpoint_is_not_answered_with_advice_to_trust_it(tmp_path, what):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    path = tmp_path / "a.ckpt"
    torch.save({"a": Hostile() if what == "code" else torch.zeros(2_000)}, path)
    content = {"code": path.read_bytes(), "text": b"text\n" * 99, "cut": path.read_bytes()[:3_000], "empty": b""}
    path.write_bytes(content[what])
    with pytest.raises(
        ValueError, match="." if what == "cut" else "code and not plain data|not a file of torch.save"
    ) as end:
        loading.load(path)
    for advice in ("weights_only", "trust", "file an issue", "safe_globals", "\n"):
        assert advice not in str(end.value)
    assert not (tmp_path / "made").exists()


def test_the_memory_of_a_machine_is_divided():
    parts = memory.divide(4)
    assert (parts.java_heap, parts.pixels, parts.readers) == (1 << 30, 1 << 29, 1 << 30)
    assert parts.spark == "1024m"
    assert machine.budget() == memory.divide(4)  # of conftest
    rest = memory.LEAST_GB - sum((parts.java_heap, parts.pixels, parts.readers)) / 2**31
    assert rest > memory.JAVA_GB


def test_a_container_with_less_memory_than_the_machine_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUPS", (limit,))
    whole = memory.of_machine()
    limit.write_text("max\n")
    assert memory.of_machine() == whole
    limit.write_text(f"{3 << 29}\n")
    assert memory.of_machine() == 1.5


def test_what_does_not_fit_on_disk_is_refused(tmp_path):
    storage.check_space(tmp_path, 1, "a table", "free some")
    with pytest.raises(DataError, match=r"a table needs 1,0\d\d,\d+.* GB on disk, [\d,.]+ GB are free; free some"):
        storage.check_space(tmp_path, 2**60, "a table", "free some")


def test_cubes_that_do_not_fit_on_disk_are_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2 * 4 * 6 * 10 * 84 - 1))
    with pytest.raises(DataError, match="cubes of 10 surveys needs"), cube_table.Scratch(tmp_path, (6, 10, 84)):
        pytest.fail("was made")
    with cube_table.Scratch(tmp_path, (6, 9, 84)) as values:
        assert values.shape == (6, 9, 84)


@pytest.mark.parametrize(
    ("lon", "free", "words"), [(-98, 4 * 16 - 1, "1 tiles of elevation needs"), (2, 2**30, "covers none")]
)
def test_tiles_that_cannot_be_made_are_refused_before_they_are_cut(inputs, tmp_path, monkeypatch, lon, free, words):
    places = pd.DataFrame({"dataset": ["po"], "surveyId": [1], "lon": [lon], "lat": [43.0]})
    cut = partial(tiles.write, None, places, "elevation", inputs / "us", size=16, block=4)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(DataError, match=words):
        cut(tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))
    if lon == -98:
        monkeypatch.undo()
        assert cut(tmp_path)["rows"] == 1


@pytest.mark.parametrize(
    "command",
    [
        ["glc", "run", "votes", "--dataset", "virtual:tiny", "--root", "out", "--", "--machine-memory-gb", "1"],
        pytest.param(
            ["luigi", "--module", "glc.tasks", *VOTES, "--root", "out", "--machine-memory-gb", "1"],
            marks=pytest.mark.slow,  # the next one is a command of Luigi too
        ),
        ["luigi", "--module", "tasks.dsgt_2024", "dsgt_2024.Table1", "--root", "out", "--machine-memory-gb", "1"],
    ],
)
def test_every_command_ends_with_one_line_and_the_code(tmp_path, command):
    environment = os.environ | {"PYTHONPATH": str(paths.CHECKOUT)}  # tasks is in no installation
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=tmp_path, timeout=120, env=environment
    )
    assert done.returncode == 40, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: --machine-memory-gb: found '1', expected GB")
    assert list(tmp_path.iterdir()) == []
