"""From a product back to the raw files, by the manifests."""

import json
from dataclasses import dataclass
from pathlib import Path

import luigi

from glc import storage
from glc.errors import ConfigError, DamagedError, DataError
from glc.tasks.console.task import ConsoleTask
from glc.tasks.parameters import PathParameter
from glc.types import JSON, Facts

_LONGEST = 100
"""Characters of a parameter's value that are shown."""


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
    candidates = _published_as(path, root)
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


def _published_as(path: Path, root: Path) -> list[tuple[Path, str]]:
    """(folder, recorded sha256) of the outputs that were published at `path`, the newest first."""
    place, candidates, unreadable = path.relative_to(root).as_posix(), [], []
    for success in root.glob(f"store/*/[!.]*/{storage.MANIFEST}"):
        try:
            facts = storage.manifest(success.parent)
        except DamagedError as error:
            unreadable.append(error)
            continue
        name = facts.get("published", {}).get(place)
        if name is not None:
            candidates.append((success.stat().st_mtime, success.parent, facts["contents"][name]["sha256"]))
    if unreadable and not candidates:
        raise unreadable[0]
    return [(folder, recorded) for _, folder, recorded in sorted(candidates, reverse=True)]


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


def describe(root: Path, steps: list[Step]) -> list[str]:
    """The lines of a chain: a step each, then the raw files."""
    lines, versions = [], None
    raw: dict[str, Facts] = {}
    for step in steps:
        lines.append(f"{step.task} {step.identity}  {step.folder.relative_to(root)}")
        if step.facts is None:
            lines.append("    removed since: nothing more is known of it")
            continue
        facts = step.facts
        settings = facts["parameters"] | facts["seeds"]
        lines += [
            f"    {name} = {_short(value)}" for name, value in sorted(settings.items()) if value not in ("", None)
        ]
        lines.append(f"    glc {facts['glc']}{_commit(facts['git'])}")
        if facts["versions"] != versions:
            lines.append(f"    {', '.join(f'{name} {version}' for name, version in facts['versions'].items())}")
        versions = facts["versions"]
        if facts["inputs"]:
            lines.append(f"    made from {', '.join(' '.join((i['task'], i['identity'])) for i in facts['inputs'])}")
        if "world" in facts:
            raw[f"virtual:{facts['world']}"] = {"path": f"the virtual world {facts['world']}, computed from its seed"}
        raw |= {file["path"]: file for file in facts["raw_files"]}
    lines.append("raw files")
    lines += [f"    {_raw(file)}" for _, file in sorted(raw.items())] or ["    none is known"]
    return lines


def _short(value: JSON) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _commit(git: Facts | None) -> str:
    if git is None:
        return ", installed without git"
    return f", commit {git['commit']}{' with changes that are not committed' if git['dirty'] else ''}"


def _raw(file: Facts) -> str:
    size = f"  {file['bytes']:,} bytes" if "bytes" in file else ""
    folders = f"  {file['folders']:,} folders" if "folders" in file else ""
    content = f"  sha256 {file['sha256']}" if "sha256" in file else ""
    modified = f"  modified {file['modified']}" if "modified" in file else ""
    return f"{file['path']}{size}{folders}{content}{modified}"


class Provenance(ConsoleTask):
    """Print how a product was made: each step back to the raw files, with identity, settings, versions and commit."""

    path = PathParameter("any", "give a file that glc has made", description="a product, or an output in ROOT/store")

    root = luigi.Parameter(default="", significant=False, description="folder that the run's log goes to")

    lines: list[str] | None = None

    def complete(self) -> bool:
        return self.lines is not None

    def run(self) -> None:
        if not self.path:
            raise ConfigError("--path: found nothing, expected a file that glc has made")
        root, folder, warning = product_of(Path(self.path))
        steps = chain(root, folder)
        self.lines = [self.path, *([f"warning: {warning}"] if warning else []), *describe(root, steps)]

    def results(self) -> list[str]:
        return self.lines or []
