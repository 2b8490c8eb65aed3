"""The scripts of deploy/gcp, from nothing to a submission in a bucket, with stand-ins for all that is Google's."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deploy.stand_in import Cloud
from tests.pages import WRITTEN, blocks
from tests.test_makefile import CHECKOUT

sys.path.append(str(CHECKOUT / "deploy" / "gcp"))  # scripts, no package
from vm_settings import RefusedError, Settings, checked

SECRET = "0123456789abcdef-a-key"
PLACE = {"project": "my-project", "zone": "europe-west4-a", "bucket": "results-of-mine"}
GOOD = dict.fromkeys(Settings.__dataclass_fields__, "") | PLACE
GOOD |= {"vm": "glc", "machine": "e2-standard-8", "disk": "100", "hours": "12", "dataset": "virtual:small"}
GOOD |= {"experiment": "votes+model.prior=500"}
SCRIPTS = sorted((CHECKOUT / "deploy" / "gcp").glob("*.sh"))
INSTANCES = ("gcloud", "compute", "instances")


def clone(folder, names):
    """A repository with one commit of these files and folders of the working tree."""
    folder.mkdir(exist_ok=True)
    for name in names:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / ".gitignore").write_text("build/\n__pycache__/\n")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "one"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """What the scripts need of a clone; tests do not change it."""
    names = ["Makefile", "pyproject.toml", "constraints.txt", "conf", "deploy"]
    return clone(tmp_path_factory.mktemp("clone"), names)


@pytest.fixture
def cloud(tmp_path):
    """No instance, and an empty bucket."""
    cloud = Cloud(tmp_path / "cloud").install()
    cloud.bucket(PLACE["bucket"])
    return cloud


@pytest.fixture(scope="module")
def _booted_once(repository, tmp_path_factory):
    """The folder of a cloud whose instance has booted."""
    cloud = Cloud(tmp_path_factory.mktemp("booted") / "cloud").install()
    cloud.bucket(PLACE["bucket"])
    assert made(cloud, repository) == 0
    return cloud.folder


@pytest.fixture
def booted(_booted_once, tmp_path):
    """An instance that has booted and is ready for an experiment."""
    shutil.copytree(_booted_once, tmp_path / "cloud", symlinks=True)
    return Cloud(tmp_path / "cloud")


def vm(cloud, repository, command, code=0, env=(), **options):
    """Output of ``vm.py command`` with these options, where the stand-ins come first in PATH."""
    words = [word for name, value in (PLACE | options).items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, repository / "deploy" / "gcp" / "vm.py", command, *words],
        env=cloud.environment | dict(env),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def made(cloud, repository, **options):
    """An instance that has booted."""
    vm(cloud, repository, "create", **options)
    return cloud.boot()


def log_of(cloud):
    """The VM's log of runs."""
    return (cloud.home / "logs" / "run.log").read_text()


def test_tests_find_no_real_gcloud_and_only_print(tmp_path):
    assert Path(shutil.which("gcloud")).parent == CHECKOUT / "tests" / "deploy" / "refusing"
    assert subprocess.run(["gcloud", "info"], capture_output=True).returncode == 99
    assert os.environ["DRY"] == "1"
    assert not [name for name in os.environ if name.startswith("CLOUDSDK_")]
    assert (
        Path(shutil.which("gcloud", path=Cloud(tmp_path / "c").install().environment["PATH"])).parent.name == "programs"
    )


@pytest.mark.parametrize("command", ["create", "run", "logs", "ssh", "delete"])
def test_missing_settings_are_named_with_the_remedy_before_anything_is_called(cloud, repository, command):
    text = vm(cloud, repository, command, code=2, project="", zone="", bucket="", experiment="votes")
    assert "PROJECT is missing; add PROJECT=…, the id of a project (gcloud projects list)" in text
    assert "ZONE is missing; add ZONE=…" in text
    assert ("BUCKET is missing; add BUCKET=…" in text) == (command in ("create", "run", "logs"))
    assert cloud.calls == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("project", "My project", "the id of a project"),
        ("zone", "europe-west4", "a zone such as"),
        ("bucket", "gs://", "a bucket"),
        ("bucket", "b,glc-hours=99", "a bucket"),
        ("vm", "Glc_1", "a letter first"),
        ("machine", "e2", "a machine type"),
        ("accelerator", "t4", "a GPU such as nvidia-tesla-t4"),
        ("hours", "0", "from 1 to 2880"),
        ("hours", "half", "from 1 to 2880"),
        ("disk", "10", "from 20 to 65536"),
        ("dataset", "data/glc24", "virtual:NAME, gs://BUCKET/FOLDER or kaggle:EDITION"),
        ("imagery", "rasters", "nothing, gs://BUCKET/FOLDER or kaggle:EDITION"),
        ("experiment", "votes; reboot", "a name from `make list`"),
        ("args", "--root '$(reboot)'", "options of glc run, without quotes"),
        ("account", "me@example.org", "a service account"),
        ("spot", "1", "nothing, or yes"),
    ],
)
def test_what_no_setting_can_be_is_refused(name, value, expected):
    with pytest.raises(RefusedError, match=f"{name.upper()}={re.escape(value)}: expected .*{re.escape(expected)}"):
        checked(GOOD | {name: value})


def test_the_usual_settings_are_taken():
    assert checked(GOOD).source == "gs://results-of-mine/source/glc.bundle"
    assert checked(GOOD | {"bucket": "gs://results-of-mine/a/b"}).bucket == "results-of-mine/a/b"


def test_a_gpu_for_a_machine_that_takes_none_is_refused():
    with pytest.raises(RefusedError, match="only N1 machines take a GPU; try MACHINE=n1-standard-8, or MACHINE=g2-"):
        checked(GOOD | {"accelerator": "nvidia-tesla-t4"})


def test_without_gcloud_the_remedy_is_named(cloud, repository, tmp_path):
    (tmp_path / "git").symlink_to(shutil.which("git"))
    text = vm(cloud, repository, "create", code=2, env={"PATH": str(tmp_path)})
    assert "gcloud is not on PATH; install the Google Cloud CLI" in text


@pytest.mark.parametrize("command", ["create", "run", "logs", "ssh", "delete"])
def test_dry_prints_the_commands_and_calls_nothing(cloud, repository, tmp_path, command):
    shutil.rmtree(repository / "build", ignore_errors=True)
    (tmp_path / "git").symlink_to(shutil.which("git"))
    env = {"PATH": str(tmp_path), "WANDB_API_KEY": SECRET}
    text = vm(cloud, repository, command, dry="1", experiment="votes", env=env)
    assert SECRET not in text
    assert cloud.calls == []
    assert not (repository / "build").exists()
    commands = [shlex.split(line) for line in text.splitlines() if not line.startswith("#")]
    assert [words for words in commands if words[0] == "gcloud"]
    assert {words[0] for words in commands} <= {"gcloud", "git"}


def test_what_is_printed_is_what_is_run(cloud, repository):
    printed = vm(cloud, repository, "create", dry="1")
    vm(cloud, repository, "create")
    assert [shlex.split(line) for line in printed.splitlines() if line.startswith("gcloud")] == cloud.called("gcloud")


def test_the_vm_stops_by_itself_and_has_what_was_asked_for(cloud, repository):
    options = {"accelerator": "nvidia-tesla-t4", "machine": "n1-standard-8", "disk": "300", "hours": "5"}
    vm(cloud, repository, "create", spot="yes", account="runner@my-project.iam.gserviceaccount.com", **options)
    (words,) = cloud.called(*INSTANCES, "create")
    command = " ".join(words)
    for part in (
        "create glc --project my-project --zone europe-west4-a --machine-type n1-standard-8 --image-family debian-12",
        "--max-run-duration 5h --instance-termination-action STOP",
        "--boot-disk-size 300GB",
        "--accelerator type=nvidia-tesla-t4,count=1 --maintenance-policy TERMINATE",
        "--service-account runner@my-project.iam.gserviceaccount.com --provisioning-model SPOT",
    ):
        assert part in command
    assert cloud.instance["glc-gpu"] == "yes"


def test_an_instance_that_exists_is_not_made_again(cloud, repository):
    cloud.change(status="TERMINATED")
    text = vm(cloud, repository, "create", code=2)
    assert "VM=glc exists already in europe-west4-a (TERMINATED); use it: make vm-run EXPERIMENT=NAME" in text
    assert len(cloud.calls) == 1


@pytest.mark.parametrize("command", ["run", "delete"])
def test_without_an_instance_the_remedy_is_named(cloud, repository, command):
    assert "there is none in europe-west4-a" in vm(cloud, repository, command, code=2, experiment="votes")
    assert len(cloud.calls) == 1


def test_a_bucket_that_is_not_there_is_named_with_the_command_that_makes_it(cloud, repository):
    text = vm(cloud, repository, "create", code=2, bucket="elsewhere/glc")
    assert "gcloud storage buckets create gs://elsewhere --project my-project --location europe-west4 " in text
    assert not cloud.called(*INSTANCES, "create")


def test_an_unknown_experiment_and_one_of_an_encoder_are_refused(cloud, repository):
    assert "did you mean votes" in vm(cloud, repository, "run", code=2, experiment="vots")
    assert "pre-trains an encoder" in vm(cloud, repository, "run", code=2, experiment="location")
    assert cloud.calls == []


def test_from_nothing_to_a_submission_in_the_bucket(cloud, repository):
    assert made(cloud, repository) == 0
    assert cloud.called("apt-get")
    assert cloud.called("shutdown", "-h") == [["shutdown", "-h", "+720"]]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True).stdout
    assert (cloud.folder / "state" / "run" / "ready").read_text() == commit
    assert list((cloud.folder / "empty").iterdir()) == []

    env = {"WANDB_API_KEY": SECRET, "KAGGLE_KEY": SECRET[::-1]}
    text = vm(cloud, repository, "run", experiment="votes+model.prior=500", args="--workers 2", env=env)
    bucket = cloud.bucket(PLACE["bucket"])
    assert (bucket / "results" / "submissions" / "votes+model.prior=500.csv").read_text() == "1,2\n"
    assert [path.name for path in (bucket / "results").rglob(".*")] == [".parts"]  # of finished outputs
    assert "glc run votes+model.prior=500 --dataset virtual:small --workers 2\n" in log_of(cloud)
    assert "ended with exit status 0" in (bucket / "logs" / "glc" / "run.log").read_text()
    assert (bucket / "logs" / "glc" / "startup.log").exists()
    assert cloud.instance["status"] == "TERMINATED"
    assert "wandb_mode = online" in (cloud.home / "luigi.cfg").read_text()

    secret = cloud.folder / "state" / "run" / "environment"
    assert f"WANDB_API_KEY={SECRET}\n" in secret.read_text()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    holders = [path for path in cloud.folder.rglob("*") if path.is_file() and SECRET in path.read_text("latin-1")]
    assert holders == [secret]  # neither a command line, nor metadata, nor a log, nor the bucket
    assert SECRET not in text
    assert SECRET[::-1] not in text

    calls = len(cloud.calls)
    vm(cloud, repository, "run", experiment="votes", hours="3")  # again, after the stop
    new = [" ".join(call) for call in cloud.calls[calls:]]
    (limited,) = [call for call in new if "set-scheduling" in call]
    assert limited.endswith("--max-run-duration 3h --instance-termination-action STOP")
    assert [call for call in new if " instances start glc " in call]
    assert not [call for call in new if call.startswith(("apt-get", "useradd"))]
    assert (bucket / "results" / "submissions" / "votes.csv").exists()
    assert (cloud.home / "results" / ".Fit-0-parts" / "epoch").exists()  # a saved epoch is still there
    assert "shutdown -h +180" in new
    assert cloud.instance["status"] == "TERMINATED"
    assert log_of(cloud) in vm(cloud, repository, "logs")
    vm(cloud, repository, "delete")
    assert cloud.instance == {}


def test_the_vm_stops_and_copies_after_a_failure_too(booted, repository):
    (booted.folder / "fail").touch()
    vm(booted, repository, "run", experiment="votes")
    bucket = booted.bucket(PLACE["bucket"])
    assert "no such thing" in (bucket / "logs" / "glc" / "run.log").read_text()
    assert "ended with exit status 30" in log_of(booted)
    assert (bucket / "results" / "submissions" / "votes.csv").exists()
    copies = [" ".join(call) for call in booted.calls if "rsync" in call and call[-1].endswith("/results")]
    assert ["_SUCCESS" in call for call in copies] == [True, False], "manifests go last"
    assert booted.instance["status"] == "TERMINATED"


def test_a_run_that_is_stopped_from_outside_still_copies(booted, repository):
    (booted.home / "results").mkdir()
    (booted.home / "results" / "metrics.csv").write_text("1\n")
    (booted.folder / "wait").touch()
    env = {"EXPERIMENT": "votes", "DATASET": "virtual:small", "BUCKET": PLACE["bucket"], "VM": "glc", "HOURS": "1"}
    script = booted.home / "source" / "deploy" / "gcp" / "run.sh"
    run = subprocess.Popen([script], env=booted.environment | env, start_new_session=True)
    for _ in range(200):
        if (booted.folder / "experiments").exists():
            break
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGTERM)  # of all its processes, as systemd does
    assert run.wait(60) != 0
    assert (booted.bucket(PLACE["bucket"]) / "results" / "metrics.csv").exists()


def test_a_run_ends_in_time_for_the_copy(booted, repository):
    (booted.folder / "state" / "uptime").write_text(f"{3600 - 800}.1 5.0\n")
    vm(booted, repository, "run", experiment="votes", hours="1")
    assert "HOURS=1 have passed since the VM started, except 15 minutes for the copy; run it again" in log_of(booted)
    assert not (booted.folder / "experiments").exists()
    assert booted.instance["status"] == "TERMINATED"
    assert booted.called("shutdown", "-h", "+14")


def test_a_new_vm_goes_on_with_what_is_in_the_bucket(cloud, repository):
    finished = cloud.bucket(PLACE["bucket"]) / "glc" / "results" / "metrics"
    finished.mkdir(parents=True)
    (finished / "votes.csv").write_text("0.3\n")
    data = cloud.bucket("mine") / "glc24"
    data.mkdir()
    (data / "surveys.csv").write_text("a\n")
    bucket = f"gs://{PLACE['bucket']}/glc"
    assert made(cloud, repository, bucket=bucket) == 0
    vm(cloud, repository, "run", experiment="votes", bucket=bucket, dataset="gs://mine/glc24")
    assert (cloud.home / "results" / "metrics" / "votes.csv").read_text() == "0.3\n"
    assert (cloud.home / "data" / "glc24" / "surveys.csv").exists()
    assert f"--dataset {cloud.home}/data/glc24" in log_of(cloud)


def test_data_of_kaggle_need_a_key_and_are_downloaded_on_the_vm(booted, repository):
    text = vm(booted, repository, "run", code=2, experiment="votes", dataset="kaggle:glc2024")
    assert "no key of Kaggle in the environment; set KAGGLE_USERNAME and KAGGLE_KEY" in text
    env = {"KAGGLE_USERNAME": "me", "KAGGLE_KEY": SECRET}
    vm(booted, repository, "run", experiment="votes", dataset="kaggle:glc2024", env=env)
    assert f"glc kaggle download glc2024 --folder {booted.home}/data/glc2024\n" in log_of(booted)
    assert f"glc run votes --dataset {booted.home}/data/glc2024\n" in log_of(booted)


def test_imagery_of_a_bucket_or_of_kaggle_is_brought_to_the_vm(booted, repository):
    for name in ("glc24", "rasters"):
        (booted.bucket("mine") / name).mkdir(exist_ok=True)
        (booted.folder / "buckets" / "mine" / name / "a.tif").write_text("a")
    vm(booted, repository, "run", experiment="votes", dataset="gs://mine/glc24", imagery="gs://mine/rasters")
    assert (booted.home / "imagery" / "rasters" / "a.tif").exists()
    assert f"glc run votes --dataset {booted.home}/data/glc24 --imagery {booted.home}/imagery/rasters\n" in log_of(
        booted
    )
    vm(booted, repository, "run", experiment="votes", imagery="gs://mine/nowhere")
    assert log_of(booted).count("glc run ") == 1  # not without the imagery
    refused = vm(booted, repository, "run", code=2, experiment="votes", imagery="kaggle:glc2024")
    assert "IMAGERY=kaggle:glc2024: no key of Kaggle" in refused


def test_all_of_kaggle_is_downloaded_where_its_imagery_is_wanted_too(booted, repository):
    env = {"KAGGLE_USERNAME": "me", "KAGGLE_KEY": SECRET}
    both = {"dataset": "kaggle:glc2024", "imagery": "kaggle:glc2024"}
    vm(booted, repository, "run", experiment="votes", **both, env=env)
    assert f"glc kaggle download glc2024 --folder {booted.home}/data/glc2024 --all\n" in log_of(booted)
    assert f"glc run votes --dataset {booted.home}/data/glc2024\n" in log_of(booted)


def test_the_vm_commands_of_the_pages_are_printed_by_dry():
    env = os.environ | {
        "KAGGLE_KEY": SECRET,
        "PROJECT": "my-project",
        "ZONE": "europe-west4-a",
        "BUCKET": "my-results",
        "DRY": "1",
    }
    seen = set()
    for page in WRITTEN:
        for block in blocks(page, "sh"):
            for command in block.commands:
                words = shlex.split(command, comments=True)
                if words[:1] != ["make"] or not words[1].startswith("vm-"):
                    continue
                assert not block.is_run, f"{page}:{block.line}"
                done = subprocess.run(words, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, f"{page}:{block.line}: {command}: {done.stdout}{done.stderr}"
                assert "\ngcloud " in f"\n{done.stdout}"
                seen.add(words[1])
    assert seen == {"vm-create", "vm-run", "vm-logs", "vm-ssh", "vm-delete"}


def test_a_second_run_on_the_same_vm_waits_for_nobody(booted, repository):
    (booted.folder / "running").touch()
    text = vm(booted, repository, "run", code=2, experiment="votes")
    assert "an experiment is running on this VM already; look: make vm-logs" in text
    assert "nothing is changed" in (booted.folder / "state" / "startup.log").read_text()


def test_lost_connections_are_tried_again(booted, repository):
    (booted.folder / "lost-connections").write_text("3")
    vm(booted, repository, "run", experiment="votes")
    assert len([call for call in booted.called("gcloud", "compute", "ssh") if call[-1] == "true"]) == 4


def test_a_gpu_has_its_driver_before_an_experiment_starts(cloud, repository):
    assert made(cloud, repository, machine="g2-standard-8") == 0
    assert (cloud.folder / "driver").exists()
    vm(cloud, repository, "run", experiment="votes")
    assert "accelerator = gpu\n" in (cloud.home / "luigi.cfg").read_text()
    assert "wandb_mode = offline\n" in (cloud.home / "luigi.cfg").read_text()
    assert re.search(r"^memory_gb = [1-9]\d*$", (cloud.home / "luigi.cfg").read_text(), re.MULTILINE)


def test_an_installation_that_fails_starts_no_experiment_and_shows_why(cloud, repository):
    (cloud.folder / "apt-get-fails").touch()
    assert made(cloud, repository) == 100
    text = vm(cloud, repository, "run", code=2, experiment="votes")
    assert "glc is not installed on glc, see above; try again: make vm-run" in text
    assert "E: no such package" in text
    assert not cloud.called("systemctl", "start")


def test_a_key_with_a_space_is_refused_and_not_shown(cloud, repository):
    text = vm(cloud, repository, "run", code=2, experiment="votes", env={"WANDB_API_KEY": f"{SECRET} x"})
    assert "WANDB_API_KEY: holds a character that no key has" in text
    assert SECRET not in text
    assert cloud.calls == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_clean_and_stop_at_the_first_error(script):
    done = subprocess.run([Path(sys.executable).with_name("shellcheck"), script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^set -euo pipefail$", script.read_text(), re.MULTILINE)
    assert os.access(script, os.X_OK)
