"""Stand-ins for what is Google's, Debian's and systemd's: programs in a folder that goes first in PATH.

A bucket is a folder, an instance a JSON file with its state and metadata; ``compute ssh`` runs its command here.
The programs append their arguments to ``calls``, one JSON list per line.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = (
    "gcloud",
    "curl",
    "apt-get",
    "shutdown",
    "systemctl",
    "useradd",
    "nvidia-smi",
    "google_metadata_script_runner",
)
SHORT = {
    "sudo": 'exec "$@"',
    "runuser": 'shift 3\nexec "$@"',  # -u glc --
    "id": 'test -d "$GLC_HOME"',
}
"""Programs whose calls are not noted."""

EXPERIMENT = """
echo "glc $*"
if [ "$1" = kaggle ]; then exit; fi
grep '^root' "$LUIGI_CONFIG_PATH"
echo "glc $*" >>"$GLC_STAND_IN/experiments"
if [ -e "$GLC_STAND_IN/wait" ]; then sleep 60; fi
mkdir -p "$GLC_HOME/results/submissions" "$GLC_HOME/results/.Fit-0-parts" "$GLC_HOME/results/.parts"
echo 1,2 >"$GLC_HOME/results/submissions/$2.csv"
touch "$GLC_HOME/results/.Fit-0-parts/epoch" "$GLC_HOME/results/.parts/table" "$GLC_HOME/results/submissions/.a.lock"
if [ -e "$GLC_STAND_IN/fail" ]; then echo "no such thing"; exit 30; fi
"""
"""What stands in for ``glc run``: a submission and hidden files; ``fail`` and ``wait`` are files that a test makes."""


class Cloud:
    """A folder with programs, buckets, the instance, and what was called.

    folder : new; its ``vm`` is the VM's /opt/glc
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "vm"

    def install(self, real: bool = False) -> "Cloud":
        """Write the programs.

        real : the scheduler and `glc` of the VM are this checkout's, and not a stand-in of `glc`, too
        """
        for name in ("programs", "buckets", "state"):
            (self.folder / name).mkdir(parents=True)
        for name in PROGRAMS:
            path = self.folder / "programs" / name
            path.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} {name} "$@"\n')
            path.chmod(0o755)
        for name, text in SHORT.items():
            (self.folder / "programs" / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.folder / "programs" / name).chmod(0o755)
        if real:
            (self.folder / "real").touch()
        return self

    @property
    def environment(self) -> dict[str, str]:
        """Of programs that are to find the stand-ins; what is Google's own is not in it."""
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("CLOUDSDK_", "KAGGLE_", "WANDB_"))
        }
        for name in ("DRY", "VENV", "VIRTUAL_ENV", "PROJECT", "ZONE", "BUCKET"):
            own.pop(name, None)
        path = os.pathsep.join([str(self.folder / "programs"), own["PATH"]])
        assert shutil.which("gcloud", path=path) == str(self.folder / "programs" / "gcloud")
        return own | {
            "PATH": path,
            "GLC_STAND_IN": str(self.folder),
            "GLC_HOME": str(self.home),
            "GLC_STATE": str(self.folder / "state" / "run"),
            "GLC_STARTUP_LOG": str(self.folder / "state" / "startup.log"),
            "GLC_UNITS": str(self.folder / "state"),
            "GLC_UPTIME": str(self.folder / "state" / "uptime"),
            "GLC_SSH_PAUSE": "0",
        }

    def bucket(self, name: str) -> Path:
        """The folder of a bucket, made if it is missing."""
        path = self.folder / "buckets" / name
        path.mkdir(exist_ok=True)
        return path

    @property
    def calls(self) -> list[list[str]]:
        """Program and arguments of all calls so far."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def called(self, *words: str) -> list[list[str]]:
        """Calls that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]

    @property
    def instance(self) -> dict[str, str]:
        """State (``status``) and metadata of the instance; empty where there is none."""
        path = self.folder / "instance.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def change(self, **values: str) -> None:
        """Set the instance's state or metadata; ``status=""`` removes it."""
        (self.folder / "instance.json").write_text(
            json.dumps({} if values == {"status": ""} else self.instance | values)
        )

    def boot(self) -> int:
        """Run the start-up script of the metadata, as a VM does that has just been started; its exit status."""
        uptime = self.folder / "state" / "uptime"
        if not uptime.exists():
            uptime.write_text("40.5 3.2\n")
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        script = self.instance["startup-script"]
        return subprocess.run(["bash", "-c", script], env=self.environment, cwd=empty, check=False).returncode

    def add_environment(self) -> None:
        """What `make venv` would install for the VM, with a time stamp that tells make so."""
        bin_ = self.home / "source" / ".venv" / "bin"
        bin_.mkdir(parents=True)
        stamp = bin_.parent / ".glc-installed"
        stamp.touch()
        os.utime(stamp, (4e9, 4e9))
        if (self.folder / "real").exists():
            programs = {
                "python": f'exec {sys.executable} "$@"',
                "glc": f'exec {sys.executable} -c "from glc.cli import main; main()" "$@"',
            }
        else:
            programs = {"python": "exec sleep 60", "glc": EXPERIMENT}
        for name, text in programs.items():
            (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
            (bin_ / name).chmod(0o755)

    # the programs

    def gcloud(self, words: list[str]) -> int:
        """``gcloud words``; what there is no stand-in for ends with 2."""
        option = dict(itertools.pairwise(words))
        match words:
            case ["compute", "instances", "list", *_]:
                print(self.instance.get("status", ""))
            case ["compute", "instances", "create", *_]:
                self.change(status="RUNNING", **self._metadata(option))
            case ["compute", "instances", "add-metadata", *_]:
                self.change(**self._metadata(option))
            case ["compute", "instances", "set-scheduling", *_]:
                pass
            case ["compute", "instances", "start", *_]:
                self.change(status="RUNNING")
                self.boot()
            case ["compute", "instances", "delete", *_]:
                self.change(status="")
            case ["compute", "ssh", *_] if "--command" in option:
                lost = self.folder / "lost-connections"
                if lost.exists() and int(lost.read_text()):
                    lost.write_text(str(int(lost.read_text()) - 1))
                    return 255
                command = option["--command"]
                for path, here in (("/opt/glc", self.home), ("/run/glc", self.folder / "state" / "run")):
                    command = command.replace(path, str(here))
                command = command.replace("/var/log/glc-startup.log", str(self.folder / "state" / "startup.log"))
                return subprocess.run(["bash", "-c", command], check=False).returncode
            case ["storage", "ls", place]:
                return 0 if self._path(place).exists() else 1
            case ["storage", "cat", place]:
                for path in sorted(self._path(place).parent.glob("*.log")):
                    print(path.read_text())
            case ["storage", "cp", *sources, place]:
                target = self._path(place)
                if (
                    not (self.folder / "buckets" / place.removeprefix("gs://").split("/")[0]).exists()
                    and "gs:" in place
                ):
                    print("ERROR: 404 bucket not found", file=sys.stderr)
                    return 1
                folder = place.endswith("/")
                (target if folder else target.parent).mkdir(parents=True, exist_ok=True)
                for source in sources:
                    shutil.copy(self._path(source), target)
            case ["storage", "rsync", "--recursive", *_, source, place]:
                if not self._path(source).exists():
                    print(f"ERROR: did not find {source}", file=sys.stderr)
                    return 1
                hidden = re.compile(option.get("--exclude", "$^"))
                for path in sorted(self._path(source).rglob("*")):
                    relative = path.relative_to(self._path(source))
                    if path.is_file() and not hidden.match(str(relative)):
                        (self._path(place) / relative).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, self._path(place) / relative)
            case _:
                print(f"no stand-in for gcloud {words}", file=sys.stderr)
                return 2
        return 0

    def _metadata(self, option: dict[str, str]) -> dict[str, str]:
        values = dict(pair.split("=", 1) for pair in option["--metadata"].split(","))
        key, path = option["--metadata-from-file"].split("=", 1)
        return values | {key: Path(path).read_text()}

    def _path(self, place: str) -> Path:
        return self.folder / "buckets" / place.removeprefix("gs://") if place.startswith("gs://") else Path(place)

    def curl(self, words: list[str]) -> int:
        """The metadata server, the driver's installer, and the scheduler of this machine."""
        url = words[-1]
        if "computeMetadata" in url:
            assert "Metadata-Flavor: Google" in words, "the metadata server answers only with its header"
            value = self.instance.get(url.rpartition("/")[2])
            print(value or "", end="")
            return 0 if value else 22
        if url.startswith("http://localhost:") and not (self.folder / "real").exists():
            return 0
        if url.startswith("http://localhost:"):
            return subprocess.run(
                [shutil.which("curl", path="/usr/bin:/bin") or "curl", *words], check=False
            ).returncode
        driver = f"open({str(self.folder / 'driver')!r}, 'w')"
        Path(words[words.index("--output") + 1]).write_text(driver)
        return 0

    def systemctl(self, words: list[str]) -> int:
        """A unit is running while the file ``running`` exists; ``start`` runs its program with its environment."""
        if words[0] == "is-active":
            return 0 if (self.folder / "running").exists() else 3
        if words[0] == "start":
            unit = (self.folder / "state" / "glc-run.service").read_text()
            lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and line[0] != "#")
            pairs = (self.folder / "state" / "run" / "environment").read_text().splitlines()
            program = lines["ExecStart"].replace("/opt/glc", str(self.home))
            environment = os.environ | dict(pair.split("=", 1) for pair in pairs)
            subprocess.run([program], env=environment, check=False)
            assert lines["ExecStopPost"].startswith("+/usr/sbin/shutdown ")
            subprocess.run(lines["ExecStopPost"].removeprefix("+/usr/sbin/").split(), check=False)
        return 0

    def program(self, name: str, words: list[str]) -> int:
        """Do as one of the programs does; its exit status."""
        with (self.folder / "calls").open("a") as calls:
            print(json.dumps([name, *words]), file=calls)
        match name:
            case "gcloud":
                return self.gcloud(words)
            case "curl":
                return self.curl(words)
            case "systemctl":
                return self.systemctl(words)
            case "google_metadata_script_runner":
                return self.boot()
            case "shutdown" if words == ["-h", "now"]:
                self.change(status="TERMINATED")
            case "useradd":
                self.home.mkdir()
                self.add_environment()
            case "apt-get" if (self.folder / "apt-get-fails").exists():
                print("E: no such package")
                return 100
            case "nvidia-smi":
                return 0 if (self.folder / "driver").exists() else 9
        return 0


if __name__ == "__main__":
    sys.exit(Cloud(Path(os.environ["GLC_STAND_IN"])).program(sys.argv[1], sys.argv[2:]))
