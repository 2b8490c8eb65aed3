"""Torture: kill runs on the tiny virtual world at random moments, restart them, and compare with undisturbed ones.

    python -m tests.torture --kills 100 --seed 1 [--only votes,knn] [--folder FOLDER]

Each of the `RUNS` is done once without any disturbance. Then, in turn and each time in an empty folder, it is started
and its whole process group killed (SIGKILL) at a random moment, again and again until it ends by itself; then another
run begins, until there were `--kills` kills. Every second kill is aimed: it waits until a stage of `STAGES` that was
hit least is at work, and strikes within the time that it takes, 3 s at most; the others strike at any time.

A chain passes when its last run exits with 0 and everything it left equals what the undisturbed run left: submission,
metrics and tables by their bytes, parquet files by their rows, weights by their values. Only what measures time may
differ. No scratch may be left over and no process may live on.

Every restart finds the locks and pid files of the killed run. After the kills come the trials of `SCENES`: a full disk,
a root that cannot be written, one command twice at once, two experiments that share stages at once, a scheduler that
goes away and comes back.
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDS = "+validation.run=2+validation.count=4"
QUICK = f"{FOLDS}+train.max_epochs=4+train.find_learning_rate=false"
RUNS = {
    "votes": f"votes{FOLDS}",
    "knn": f"knn{FOLDS}",
    "geolocation": f"geolocation{QUICK}",
    "tile-cnn": f"tile-cnn{QUICK}+compare_with=[]",
    "tile2vec": f"tile2vec{QUICK}+pretrain.pairs=2000+compare_with=[]",
    "cubes": f"cube-cnn{QUICK}+compare_with=[]",
    "votes-and-tiles": f"votes-and-tiles{FOLDS}+model.members=['votes{FOLDS}','tile-cnn{QUICK}']+compare_with=[]",
    "kriging": f"kriging{FOLDS}+compare_with=[]",
    "best": f"best{FOLDS}+model.members=['votes{FOLDS}','frequency{FOLDS}','geolocation{QUICK}']+compare_with=[]",
}
"""What is run: a label and the experiment, small."""
STAGES = (
    "Surveys",
    "Tiles",
    "Cubes",
    "Neighbours",
    "Pretrain",
    "Fit",
    "ClassicalScores",
    "EnsembleScores",
    "VirtualPart",
)
"""Stages that are aimed at."""
AT_ONCE = ("--workers", "2")
"""Options of the runs that are killed: stages at work at the same time, each in a process of its group."""
LONGEST = 900
"""Seconds after which a run hangs."""
DYING = 10
"""Seconds that the system may take to end the processes of a killed group: the group's first is waited for alone."""


@dataclass
class Tally:
    """What was done and found."""

    kills: collections.Counter = field(default_factory=collections.Counter)
    chains: int = 0
    findings: list[str] = field(default_factory=list)


def command(experiment, root, *more):
    """The command line of a run."""
    return [sys.executable, "-m", "glc", "run", experiment, "--dataset", "virtual:tiny", "--root", str(root), *more]


def environment(**changes):
    """The environment of a run: this checkout, one thread, so that equal bytes can be asked for."""
    own = {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    return os.environ | own | changes


def start(experiment, root, log, *more, **changes):
    """Start a run in a new process group."""
    return subprocess.Popen(
        command(experiment, root, *more),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment(**changes),
        cwd=CHECKOUT,
    )


def at_work(root):
    """Names of the stages whose scratch folder is there."""
    scratch = (path.name for path in Path(root).glob("store/*/.*.partial"))
    made = Path(root).glob("datasets/*/.parts/.*.partial")
    names = {re.match(r"\.([A-Za-z]+)-", name) for name in scratch}
    parts = {"VirtualPart"} if any(made) else set()
    return {match[1] for match in names if match} | parts


def kill(process):
    """SIGKILL the whole group of a run."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def alive(root):
    """Processes that have `root` in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(root) in line and int(folder.name) != os.getpid():
            found.append(f"{folder.name}: {line[:100]}")
    return found


def stages_of(reference):
    """Those of `STAGES` that a finished root has, with the seconds that the longest of each took."""
    took = {"VirtualPart": 3.0}
    for success in Path(reference).glob("store/*/*-*/_SUCCESS"):
        name = success.parent.name.split("-")[0]
        took[name] = max(took.get(name, 0.0), json.loads(success.read_text())["seconds"])
    return {name: took[name] for name in STAGES if name in took}


def done(stage, root):
    """Whether an output of a stage is there; there may be others of it to come."""
    folders = "datasets/*/.parts" if stage == "VirtualPart" else f"store/*/{stage}-*"
    return any(Path(root).glob(f"{folders}/_SUCCESS" if stage != "VirtualPart" else f"{folders}/*/_SUCCESS"))


def strike(process, root, stages, tally, rng, typical):
    """Wait for a moment and kill the run; whether it was killed before it ended."""
    left = [name for name in stages if not done(name, root)]
    if left and rng.random() < 0.5:
        wanted = min(left, key=lambda name: (tally.kills[name], rng.random()))
        limit = time.monotonic() + 4 * typical  # the machine may be slower now
        while time.monotonic() < limit and process.poll() is None and wanted not in at_work(root):
            time.sleep(0.02)
        delay = rng.uniform(0, min(3.0, stages[wanted]))
    else:
        delay = rng.uniform(0, typical * rng.random())  # restarts have less left to do
    limit = time.monotonic() + delay
    while time.monotonic() < limit and process.poll() is None:
        time.sleep(0.02)
    if process.poll() is not None:
        return False
    busy = at_work(root)
    kill(process)
    for name in busy or {"between stages"}:
        tally.kills[name] += 1
    tally.kills["all"] += 1
    return True


def chain(label, folder, reference, typical, tally, rng, most):
    """Run an experiment from nothing, killing it until it ends; compare what it left."""
    root, log = folder / f"{label}-{tally.chains}", folder / f"{label}-{tally.chains}.log"
    tally.chains += 1
    with open(log, "wb") as file:
        while True:
            process = start(RUNS[label], root, file, *AT_ONCE)
            if tally.kills["all"] < most and strike(process, root, stages_of(reference), tally, rng, typical):
                limit = time.monotonic() + DYING
                while (living := alive(root)) and time.monotonic() < limit:
                    time.sleep(0.1)
                if living:
                    tally.findings.append(f"{label}: lives on after the kill of its group: {living}")
                continue
            try:
                code = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                kill(process)
                tally.findings.append(f"{label}: a restarted run hangs; see {log}")
                return
            break
    text = log.read_text(errors="replace")[-1500:]
    if code:
        tally.findings.append(f"{label}: a restarted run exits with {code}: {text}")
        return
    findings = [*differences(reference, root), *(f"scratch is left: {path}" for path in leftovers(root))]
    tally.findings += [f"{label}: {what}; see {root}" for what in findings]
    if not findings:
        shutil.rmtree(root)


def leftovers(root):
    """Scratch that a finished run has left."""
    return [
        path.relative_to(root)
        for pattern in ("store/*/.*", ".imagery-*", "datasets/*/.part-*", "datasets/*/.parts/.*", "*/*/.*.[0-9]*")
        for path in Path(root).glob(pattern)
        if not path.name.endswith(".lock")
    ]


def differences(reference, root):
    """What of two finished roots is not equal, as text."""
    kept = [
        {
            path.relative_to(folder): path
            for kind in ("store", "submissions", "metrics", "tables", "datasets")
            for path in (folder / kind).rglob("*")
            if path.is_file() and not any(part.startswith(".") and part != ".parts" for part in path.parts[-4:])
        }
        for folder in (Path(reference), Path(root))
    ]
    names = kept[0].keys() ^ kept[1].keys()
    different = [f"only in one of the roots: {name}" for name in sorted(names)]
    for name in sorted(kept[0].keys() & kept[1].keys()):
        if not same(kept[0][name], kept[1][name], [str(reference), str(root)]):
            different.append(f"not equal: {name}")
    return different


def same(one, other, roots=()):
    """Whether two files of the store are equal in all but what measures time, and the places of their roots."""
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix == ".parquet":
        rows = [pq.read_table(path).to_pylist() for path in (one, other)]
        return _placeless(rows[0], roots) == _placeless(rows[1], roots)
    if one.name == "history.csv":
        frames = [pd.read_csv(path).drop(columns="seconds", errors="ignore") for path in (one, other)]
        return frames[0].equals(frames[1])
    if one.name == "_SUCCESS":
        return _placeless(_facts(one), roots) == _placeless(_facts(other), roots)
    return one.name == "index.html"  # a report shows times


def _placeless(value, roots):
    """Plain values as text, without the names of the roots: a quarantine names files by their whole path."""
    text = repr(value)
    for root in roots:
        text = text.replace(root, "ROOT")
    return text


def _facts(path):
    """A manifest without what measures time, memory or place."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key not in _MEASURED}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    return plain(json.loads(path.read_text()))


_MEASURED = {
    "made",
    "git",
    "seconds",
    "cpu_seconds",
    "offline",
    "peak_memory_mb",
    "checksum",
    "contents",
    "parameters",
    "last_seconds",
    "inputs",
    "resumed",
}


def undisturbed(label, folder):
    """(root, seconds) of a run that nothing disturbs; one that `folder` has already is not repeated."""
    root, note = folder / f"{label}-reference", folder / f"{label}-reference.json"
    if note.is_file():
        return root, json.loads(note.read_text())
    started = time.monotonic()
    with open(folder / f"{label}-reference.log", "wb") as log:
        code = start(RUNS[label], root, log).wait(LONGEST)
    if code:
        text = (folder / f"{label}-reference.log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{label}: the undisturbed run exits with {code}: {text}")
    note.write_text(json.dumps(time.monotonic() - started))
    return root, json.loads(note.read_text())


def full_disk(folder, reference):
    """No file may grow beyond 200 kB (as on a full disk): the run fails with the cause; with room it ends well."""
    root = folder / "full"
    limited = ["bash", "-c", 'ulimit -f 200; exec "$@"', "-", *command(RUNS["votes"], root)]
    done = subprocess.run(limited, capture_output=True, text=True, env=environment(), cwd=CHECKOUT, timeout=LONGEST)
    text = done.stdout + done.stderr
    if done.returncode == 0:
        return [f"a run on a full disk exits with 0: {text[-500:]}"]
    return _ends_well("votes", root, folder, reference)


def read_only(folder, reference):
    """A root below a file cannot be made: the run says so, before any work."""
    blocked = folder / "blocked"
    blocked.write_text("a file")
    done = subprocess.run(
        command(RUNS["votes"], blocked), capture_output=True, text=True, env=environment(), cwd=CHECKOUT, timeout=120
    )
    text = done.stdout + done.stderr
    if done.returncode == 0 or str(blocked) not in text:
        return [f"a root that is a file: exit {done.returncode}: {text[-500:]}"]
    return []


def twice(folder, reference):
    """One command twice at once: both end, one of them perhaps by saying that the other runs; the result is whole."""
    root = folder / "twice"
    with open(folder / "twice.log", "wb") as log:
        processes = [start(RUNS["votes"], root, log) for _ in range(2)]
        codes = [process.wait(LONGEST) for process in processes]
    text = (folder / "twice.log").read_text(errors="replace")
    if not (0 in codes and set(codes) <= {0, 10}):
        return [f"one command twice at once: exit {codes}: {text[-800:]}"]
    return _ends_well("votes", root, folder, reference)


def together(folder, reference):
    """Two experiments that share stages, at once on an empty root."""
    root = folder / "together"
    with open(folder / "together.log", "wb") as log:
        processes = [start(RUNS[label], root, log) for label in ("votes", "knn")]
        codes = [process.wait(LONGEST) for process in processes]
    if codes != [0, 0]:
        return [
            f"two experiments at once: exit {codes}: {(folder / 'together.log').read_text(errors='replace')[-800:]}"
        ]
    submission = "submissions/virtual-tiny"
    (name,) = (path.name for path in (reference / submission).iterdir())
    if (root / submission / name).read_bytes() != (reference / submission / name).read_bytes():
        return ["two experiments at once: the submission of votes is another"]
    return [f"two experiments at once: scratch is left: {path}" for path in leftovers(root)]


def scheduler_goes(folder, reference):
    """The central scheduler is killed in the middle of a run and comes back: the run, or the next one, ends well."""
    root, state = folder / "scheduler", folder / "state"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])

    def serve():
        server = subprocess.Popen(
            [sys.executable, "-m", "glc.tasks.scheduler", "--port", port],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(XDG_STATE_HOME=str(state)),
            cwd=CHECKOUT,
            start_new_session=True,
        )
        time.sleep(5)
        return server

    server = serve()
    with open(folder / "scheduler.log", "wb") as log:
        central = {"LUIGI_CONFIG_PATH": str(CHECKOUT / "conf" / "luigi-vm.cfg")}
        run = start(RUNS["votes"], root, log, "--", "--scheduler-port", port, **central)
        while run.poll() is None and "Surveys" not in at_work(root):
            time.sleep(0.1)
        kill(server)
        time.sleep(3)
        server = serve()
        code = run.wait(LONGEST)
    kill(server)
    print(f"  the run whose scheduler went away exits with {code}")
    return _ends_well("votes", root, folder, reference)


def _ends_well(label, root, folder, reference):
    with open(folder / "again.log", "wb") as log:
        code = start(RUNS[label], root, log).wait(LONGEST)
    if code:
        return [f"the next run exits with {code}: {(folder / 'again.log').read_text(errors='replace')[-800:]}"]
    return [*differences(reference, root), *(f"scratch is left: {path}" for path in leftovers(root))]


SCENES = {
    "full disk": full_disk,
    "root is a file": read_only,
    "the same twice": twice,
    "two at once": together,
    "the scheduler goes and comes back": scheduler_goes,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other chain after these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(RUNS), help="labels of the runs that are killed")
    parser.add_argument("--folder", help="where to work; by default a temporary folder")
    chosen = parser.parse_args(arguments)
    folder = Path(chosen.folder or tempfile.mkdtemp(prefix="glc-torture-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rng, tally = random.Random(chosen.seed), Tally()
    labels = chosen.only.split(",")
    references = {}
    for label in labels:
        references[label] = undisturbed(label, folder)
        print(f"{label}: undisturbed in {references[label][1]:.0f} s", flush=True)
    until = time.monotonic() + 60 * chosen.minutes
    while tally.kills["all"] < chosen.kills and not tally.findings and time.monotonic() < until:
        label = labels[tally.chains % len(labels)]
        before = tally.kills["all"]
        chain(label, folder, *references[label], tally, rng, chosen.kills)
        print(f"{label}: {tally.kills['all'] - before} kills, {len(tally.findings)} findings", flush=True)
        print("".join(f"  {what}\n" for what in tally.findings), end="", flush=True)
    if "votes" in references:
        for name, scene in SCENES.items():
            findings = scene(folder, references["votes"][0])
            tally.findings += [f"{name}: {what}" for what in findings]
            print(f"{name}: {'; '.join(findings) or 'well'}", flush=True)
    print(", ".join(f"{name} {count}" for name, count in tally.kills.most_common()))
    print(f"{tally.kills['all']} kills in {tally.chains} chains; findings: {len(tally.findings)}")
    print("\n".join(tally.findings))
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
