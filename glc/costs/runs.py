"""Finished runs below a folder of outputs, as measurements."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glc import products, storage, world
from glc.costs import fitting, sizes, work
from glc.costs.curves import Measurement
from glc.costs.sizes import Sizes
from glc.costs.work import Job
from glc.types import Facts

CLOCKS = {"wall": "seconds", "processor": "cpu_seconds"}
"""Clock -> key of the manifests. Processor time is what a busy machine measures; all cores count."""
LEAST_DATASETS = 2
"""Datasets whose measurements are enough for a curve that another is judged by: one cannot show any growth."""
_VIRTUAL = "virtual:"
_NEEDED = ("peak_memory_mb", "inputs", "contents")


@dataclass(frozen=True)
class Run:
    """A finished experiment on a dataset: what each of its tasks took."""

    dataset: str
    experiment: str
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class Judgement:
    """A run, and its estimate by curves of other datasets.

    left_out : kinds that fewer than `LEAST_DATASETS` other datasets have measured; they are in neither sum
    """

    run: Run
    measured_s: float
    estimated_s: float
    measured_mb: float
    estimated_mb: float
    left_out: tuple[str, ...]


class Outputs:
    """The outputs below a folder, as jobs.

    root : folder of all outputs; clock : of `CLOCKS`
    """

    def __init__(self, root: Path, clock: str) -> None:
        self.root, self.key = root, CLOCKS[clock]
        self.skipped: set[Path] = set()
        """Outputs whose manifests, of another version, lack what a measurement needs."""
        self._jobs: dict[Path, tuple[Job, Sizes | None]] = {}

    def _job(self, folder: Path) -> tuple[Job, Sizes | None]:
        """The job that made an output, and the sizes of its dataset, if they are known."""
        folder = Path(folder).resolve()
        if folder not in self._jobs:
            facts = storage.manifest(folder)
            below = [self.root / entry["folder"] for entry in facts.get("inputs", ())]
            needed = [self._job(each) for each in below if storage.exists(each)]
            own = sizes.of_tables(folder) if facts["task"] == "Surveys" else _of_world(facts)
            known = own or next((known for _, known in needed if known), None)
            job = Job(facts["task"], facts["parameters"], tuple(job for job, _ in needed), _seen(facts))
            self._jobs[folder] = job, known
        return self._jobs[folder]

    def measurement(self, folder: Path, planned: bool = False) -> Measurement | None:
        """What an output took; None where its manifest does not say (`skipped`), or nothing describes such a task.

        planned : by the work that it had before it ran, as an estimate sees it, not by the passes that it took
        """
        facts = storage.manifest(folder)
        if not {self.key, *_NEEDED} <= facts.keys():
            self.skipped.add(folder)
            return None
        job, known = self._job(folder)
        of_task = work.of(replace(job, seen=0) if planned else job, known) if known else None
        if of_task is None:
            return None
        size = sum(file["bytes"] for file in facts["contents"].values())
        size += sum(file["bytes"] for file in facts.get("merged", {}).get("contents", {}).values())
        subject = _subject(facts)
        return Measurement(subject, of_task.kind, of_task.terms, facts[self.key], facts["peak_memory_mb"], size)

    def runs(self) -> Iterator[Run]:
        """The finished submissions, with all that they were made from."""
        for path in sorted(self.root.glob(f"store/*/Submission-*/{storage.MANIFEST}")):
            facts = storage.manifest(path.parent)
            steps = products.chain(self.root, path.parent)
            measured = [self.measurement(step.folder, planned=True) for step in steps if step.facts is not None]
            known = tuple(measurement for measurement in measured if measurement is not None)
            yield Run(_subject(facts), str(facts["parameters"]["experiment"]), known)

    def measurements(self) -> Iterator[Measurement]:
        """What every output took, also of runs that are not finished."""
        for glob in ("store/*/*", "datasets/*/.parts/*"):
            for path in sorted(self.root.glob(f"{glob}/{storage.MANIFEST}")):
                if not path.parent.name.startswith("."):
                    measurement = self.measurement(path.parent)
                    if measurement is not None:
                        yield measurement


def _seen(facts: Facts) -> int:
    """Examples that a training has seen, each pass counted; 0 of other tasks."""
    return int(facts["epochs"]) * int(facts["rows"]) if {"epochs", "rows"} <= facts.keys() else 0


def _of_world(facts: Facts) -> Sizes | None:
    """The sizes of the world that a task makes a part of."""
    name = str(facts["parameters"]["dataset"]) if facts["task"] == "VirtualPart" else ""
    size = world.SIZES.get(name.removeprefix(_VIRTUAL))
    return Sizes(**size.counts) if size else None


def _subject(facts: Facts) -> str:
    """The dataset's name in paths."""
    origin = str(facts["parameters"]["dataset"])
    return origin.replace(":", "-") if origin.startswith(_VIRTUAL) else Path(origin).stem


def mean(measurements: Iterable[Measurement]) -> list[Measurement]:
    """One measurement per dataset, kind and terms: the mean of those of all folds and members."""
    groups: dict[tuple[str, str, tuple[float, ...]], list[Measurement]] = {}
    for each in measurements:
        groups.setdefault((each.dataset, each.kind, each.terms), []).append(each)
    return [
        Measurement(
            *key,
            seconds=round(sum(each.seconds for each in group) / len(group), 2),
            memory_mb=max(each.memory_mb for each in group),
            bytes=round(sum(each.bytes for each in group) / len(group)),
        )
        for key, group in sorted(groups.items())
    ]


def judge(run: Run, measured: Sequence[Measurement]) -> Judgement | None:
    """A run compared with its estimate from other datasets; None where these have measured none of its tasks.

    measured : of all datasets; those of the run's own are left out
    """
    others = [each for each in measured if each.dataset != run.dataset]
    datasets: dict[str, set[str]] = {}
    for each in others:
        datasets.setdefault(each.kind, set()).add(each.dataset)
    known = {kind for kind, names in datasets.items() if len(names) >= LEAST_DATASETS}
    judged = [each for each in run.measurements if each.kind in known]
    if not judged:
        return None
    curves = fitting.fit_all(each for each in others if each.kind in known)
    return Judgement(
        run=run,
        measured_s=sum(each.seconds for each in judged),
        estimated_s=sum(curves[each.kind]["seconds"].at(each.terms) for each in judged),
        measured_mb=max(each.memory_mb for each in judged),
        estimated_mb=max(curves[each.kind]["memory_mb"].at(each.terms) for each in judged),
        left_out=tuple(sorted({each.kind for each in run.measurements if each.kind not in known})),
    )
