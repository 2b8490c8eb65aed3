"""Fixtures that all tests share.

Three levels: `make test` before every commit (all that is not marked slow, in two processes), `make test-all` (slow
ones too: what trains for minutes, or reads a large real dataset), and named long trials with targets of their own, as
`make mutants`, `make fuzz` and `make torture` are.
"""

import gc
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

# Thousands of small runs, not a long one: threads of torch that wait for each other, the JVM's second compiler and its
# parallel collectors cost more than they bring. Set before torch and Spark start; programs that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

# No test reaches Google: the gcloud that is found first refuses (tests/deploy has stand-ins), `make vm-...` prints.
os.environ["PATH"] = os.pathsep.join([str(Path(__file__).parent / "deploy" / "refusing"), os.environ["PATH"]])
os.environ["DRY"] = "1"
for _name in [name for name in os.environ if name.startswith("CLOUDSDK_")]:
    del os.environ[_name]

# Under `make test VENV=...` the variables of that command line must not reach the make of a test.
_OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
for _name in _OF_MAKE | set(re.findall(r"(?<!\S)([A-Z]+)=", os.environ.get("MAKEFLAGS", ""))):
    os.environ.pop(_name, None)


# A JVM takes 20 s of a core to warm up, so one process runs all files that start Spark, about half of the time.
_SPARK = (
    "tests/bench/test_neighbours_spark.py",
    "tests/bench/test_surveys.py",
    "tests/classical/test_all.py",
    "tests/classical/test_binned.py",
    "tests/classical/test_logistic.py",
    "tests/classical/test_random_forest.py",
    "tests/cli/test_doctor.py",
    "tests/deploy/test_whole.py",
    "tests/etl/",
    "tests/neighbours/test_exact.py",
    "tests/neighbours/test_lsh.py",
    "tests/scenarios/",
    "tests/tasks/",
    "tests/test_notebooks.py",
)
_WITHOUT_SPARK = (
    "tests/tasks/location/test_downstream.py",
    "tests/tasks/location/test_localisation.py",
    "tests/tasks/location/test_variants.py",
    "tests/tasks/location/test_paper.py",
    "tests/tasks/test_broken_inputs.py",
    "tests/tasks/test_compare.py",
    "tests/tasks/test_console.py",
    "tests/tasks/test_explorer.py",
    "tests/tasks/test_object_stores.py",
    "tests/tasks/test_outputs.py",
    "tests/tasks/test_presence_only.py",
    "tests/tasks/test_published_inputs.py",
    "tests/tasks/test_refusals.py",
    "tests/tasks/test_run.py",
    "tests/tasks/test_same_name.py",
    "tests/tasks/test_sdm.py",
    "tests/tasks/test_weights.py",
)
# files that take long come first, so that no process is left alone with one at the end
_LONG = (*_SPARK, "tests/nets/")


def _starts_spark(nodeid):
    return nodeid.startswith(_SPARK) and not nodeid.startswith(_WITHOUT_SPARK)


def pytest_configure(config):
    """Spark interprets its expressions in `make test`, and compiles them, as it does for people, in `make test-all`.

    Most of a small job is the compilation of code that runs once: a fifth of the time of the tests of the ETL.
    """
    if config.getoption("markexpr") == "not slow":
        interpreted = "--conf spark.sql.codegen.wholeStage=false --conf spark.sql.codegen.factoryMode=NO_CODEGEN"
        os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"{interpreted} pyspark-shell")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """No search for garbage while tests are imported, nor in what was imported ever after.

    Each task of glc ends with a search through all objects, of which torch, timm, Spark and the tests are millions.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Long files first, all others in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


class _OneProcessForSpark(LoadFileScheduling):
    """Files as units of work, those that start Spark as one."""

    def _split_scope(self, nodeid):
        return "spark" if _starts_spark(nodeid) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    """The scheduler of ``-n``, ``--dist loadfile``."""
    return _OneProcessForSpark(config, log)


def pytest_runtest_setup(item):
    """Refuse a second JVM."""
    if "spark" in item.fixturenames and not _starts_spark(item.nodeid):
        pytest.fail(f"{item.nodeid} starts Spark: add its file to _SPARK in tests/conftest.py")


@pytest.fixture(scope="session")
def spark():
    """The one Spark session of the test run (of each worker of pytest-xdist)."""
    from glc.etl.spark import session

    return session(memory="1g", shuffle_partitions=2)


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the shared real data, or a skip that says how to get it."""
    folder = os.environ.get("GLC_SHARED_DATA")
    if not folder:
        pytest.skip("GLC_SHARED_DATA is not set: no real data to test against")
    if not Path(folder).is_dir():
        pytest.skip(f"GLC_SHARED_DATA={folder} is not a folder: no real data to test against")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def _read_once(spark, tmp_path_factory):
    """Folder of outputs in which the tables of the tiny virtual world have been read."""
    import luigi

    from glc.tasks import Surveys

    folder = tmp_path_factory.mktemp("read-once")
    assert luigi.build([Surveys(root=str(folder), dataset="virtual:tiny")], local_scheduler=True, log_level="WARNING")
    return folder


@pytest.fixture(scope="module")
def root(_read_once, tmp_path_factory):
    """Folder of all outputs, shared by the tests of a module; `Surveys` of virtual:tiny stand there already."""
    return shutil.copytree(_read_once, tmp_path_factory.mktemp("out"), dirs_exist_ok=True).as_posix()


@pytest.fixture(scope="module")
def empty_root(tmp_path_factory):
    """Folder of all outputs, shared by the tests of a module, with nothing in it."""
    return tmp_path_factory.mktemp("out").as_posix()


@pytest.fixture(autouse=True)
def _small_machine():
    """Little memory for Spark, no runs at W&B."""
    import luigi

    config = luigi.configuration.get_config()
    for key, value in (("memory_gb", "4"), ("wandb_mode", "disabled")):
        config.set("machine", key, value)


@pytest.fixture
def reports():
    """What the bars of this process report: (what is being done, how much of it, total)."""
    from glc import progress

    heard = []
    progress.report_to(lambda *report: heard.append(report))
    yield heard
    progress.report_to(None)


def _chromium():
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium in PATH: pages are not looked at in a real browser")
    return browser


@pytest.fixture(scope="session")
def browser():
    """Chromium, driven by Playwright."""
    program = _chromium()
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pages are not looked at in a real browser"
    )
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def browser_dom(tmp_path):
    """Path of a page, and more options of Chromium -> the document as the browser has it after its scripts ran."""
    browser = _chromium()
    headless = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]

    def dom(path, *options):
        command = [*headless, *options, "--virtual-time-budget=3000", "--dump-dom", path.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return dom
