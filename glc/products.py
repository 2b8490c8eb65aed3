"""From a file below ROOT to the output that it is a copy of, and from an output back to what it was made from."""

import contextlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from glc import storage
from glc.errors import DamagedError, DataError
from glc.types import Facts


@dataclass(frozen=True)
class Step:
    """One output of the chain; without `facts` it has been removed since, and only its name is known."""

    task: str
    identity: str
    folder: Path
    facts: Facts | None


def product_of(path: Path) -> tuple[Path, Path, str]:
    """The output that a file was copied from, or is in.

    returns : (ROOT, folder of the output, empty or a warning that the file is no longer what was written)
    A DataError tells of a file that glc did not make.
    """
    folder = storage.output_of(path if path.is_dir() else path.parent)
    root = next((above for above in path.parents if (above / "store").is_dir()), None)
    if root is None:
        raise DataError(f"{path}: not below a folder of outputs (no parent has a folder 'store'); glc did not make it")
    if folder is not None:
        return root, folder, ""
    candidates = published_as(path, root)
    if not candidates:
        raise DataError(
            f"{path}: glc did not make it, or its product was removed since (glc clean): no output in {root / 'store'} "
            "was published there"
        )
    digest = storage.file_digest(path)
    for folder, recorded in candidates:
        if recorded == digest:
            return root, folder, ""
    folder, recorded = candidates[0]
    return root, folder, f"differs from its product: found sha256 {digest}, expected {recorded}; it was edited by hand"


def published_as(path: Path, root: Path, among: str = "*/[!.]*") -> list[tuple[Path, str]]:
    """(folder, recorded sha256) of the outputs that were published at `path`, the newest first.

    among : glob of the outputs that are asked, below ``ROOT/store``
    """
    place, candidates, unreadable = path.relative_to(root).as_posix(), [], []
    for success in root.glob(f"store/{among}/{storage.MANIFEST}"):
        stat = success.stat()
        try:
            recorded = _published(success.parent, stat.st_size, stat.st_mtime_ns).get(place)
        except DamagedError as error:
            unreadable.append(error)
            continue
        if recorded is not None:
            candidates.append((stat.st_mtime, success.parent, recorded))
    if unreadable and not candidates:
        raise unreadable[0]
    return [(folder, recorded) for _, folder, recorded in sorted(candidates, reverse=True)]


def stable_folders(root: Path) -> list[Path]:
    """The folders below ROOT into which outputs are published, as their manifests say."""
    folders = set()
    for success in root.glob(f"store/*/[!.]*/{storage.MANIFEST}"):
        with contextlib.suppress(DamagedError):  # who reads it says so
            folders |= {(root / place).parent for place in storage.manifest(success.parent).get("published", {})}
    return sorted(folders)


def datasets_at(root: Path, subject: str) -> list[str]:
    """The datasets that products at the stable places of one name were made from, the latest first.

    subject : the name in paths, such as that of the dataset's folder
    """
    made: dict[str, int] = {}
    for success in (root / "store" / subject).glob(f"[!.]*/{storage.MANIFEST}"):
        stat = success.stat()
        try:
            dataset = _origin(success.parent, stat.st_size, stat.st_mtime_ns)
        except DamagedError:
            continue  # who reads it says so
        if dataset:
            made[dataset] = max(stat.st_mtime_ns, made.get(dataset, 0))
    return sorted(made, key=lambda dataset: -made[dataset])


@lru_cache(maxsize=4096)
def _published(folder: Path, size: int, mtime_ns: int) -> dict[str, str]:
    """Stable place -> sha256 of each file that an output was published as; remembered while its manifest is the same.

    size, mtime_ns : of the manifest
    """
    facts = storage.manifest(folder)
    names = facts.get("published", {}).items()  # of a folder that is published whole it is no file's name
    return {place: facts["contents"][name]["sha256"] for place, name in names if name in facts["contents"]}


@lru_cache(maxsize=4096)
def _origin(folder: Path, size: int, mtime_ns: int) -> str:
    """The dataset that a published output was made from; empty of all other outputs. Remembered as `_published`."""
    facts = storage.manifest(folder)
    return str(facts["parameters"].get("dataset", "")) if facts.get("published") and "parameters" in facts else ""


def chain(root: Path, folder: Path) -> list[Step]:
    """The output in `folder` and all that it was made from, each before what it was made from."""
    steps: dict[Path, Step] = {}
    done: list[Path] = []

    def visit(task: str, identity: str, folder: Path) -> None:
        if folder in steps:
            return
        facts = storage.manifest(folder) if storage.exists(folder) else None
        steps[folder] = Step(task, identity, folder, facts)
        for needed in facts["inputs"] if facts else []:
            visit(needed["task"], needed["identity"], root / needed["folder"])
        done.append(folder)

    facts = storage.manifest(folder)
    if "inputs" not in facts:
        raise DataError(f"{folder}: its manifest does not say what it was made from; run the task that makes it")
    visit(facts["task"], facts["identity"], folder)
    return [steps[folder] for folder in reversed(done)]
