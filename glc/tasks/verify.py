"""Every output below ROOT compared with its manifest."""

from dataclasses import dataclass, field
from pathlib import Path

from glc import storage
from glc.errors import DamagedError, DataError
from glc.progress import tqdm
from glc.tasks.console.task import ConsoleTask
from glc.tasks.parameters import RootParameter


@dataclass
class Findings:
    """What `look` saw.

    outputs, files, bytes, published : of everything that is as it was written
    damaged : of each damaged output or published file, what is wrong with it and the remedy
    unfinished : folders of the store without a manifest, which are never read
    """

    outputs: int = 0
    files: int = 0
    bytes: int = 0
    published: int = 0
    damaged: list[str] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


def look(root: Path) -> Findings:
    """Compare all files of the store, of the virtual worlds and of the published products with their manifests."""
    findings = Findings()
    folders = sorted(
        path
        for pattern in ("store/*/*", "datasets/*/.parts/*")
        for path in root.glob(pattern)
        if path.is_dir() and not path.name.startswith(".")
    )
    products: dict[Path, dict[str, Path]] = {}
    for folder in tqdm(folders, desc="outputs compared", unit="output"):
        if not storage.exists(folder):
            findings.unfinished.append(folder)
            continue
        try:
            facts = storage.manifest(folder)
            for path, name in facts.get("published", {}).items():
                # a folder that is published whole is known by its manifest
                file = facts["contents"].get(name)
                digest = file["sha256"] if file else storage.file_digest(folder / storage.MANIFEST)
                products.setdefault(root / path, {})[digest] = folder
            storage.check(folder, largest=None)
        except DamagedError as error:
            findings.damaged.append(f"{error.cause}\n    remedy: remove {error.folder}; the next run makes it again")
            continue
        files = [*facts["contents"].values(), *facts.get("merged", {}).get("contents", {}).values()]
        findings.outputs += 1
        findings.files += len(files)
        findings.bytes += sum(file["bytes"] for file in files)
    for path, made in sorted(products.items()):
        _look_at_product(path, made, findings)
    return findings


def _look_at_product(path: Path, made: dict[str, Path], findings: Findings) -> None:
    """Compare a published file or folder with the outputs that it may be a copy of, by their sha256."""
    file = path / storage.MANIFEST if path.is_dir() else path
    if not file.is_file():
        return
    if storage.file_digest(file) in made:
        try:
            if file != path:
                storage.check(path, largest=None)
        except DamagedError as error:
            findings.damaged.append(f"{error.cause}\n    remedy: remove {error.folder}, and run its task again")
            return
        findings.published += 1
    else:
        folders = ", ".join(str(folder) for folder in made.values())
        findings.damaged.append(
            f"{path}: differs from its product in {folders}\n    remedy: run its task again; that copies the product"
        )


class Verify(ConsoleTask):
    """Compare every file below ROOT that a manifest names with its sha256; damaged ones make the task fail."""

    root = RootParameter(default="", significant=False)

    findings: Findings | None = None

    def complete(self) -> bool:
        return self.findings is not None

    def run(self) -> None:
        root = Path(self.root)
        if not root.is_dir():
            raise DataError(f"--root {root}: no such folder; give the folder of all outputs")
        findings = look(root)
        if findings.damaged:
            lines = "\n".join(f"  {text}" for text in findings.damaged)
            raise DataError(f"{len(findings.damaged)} damaged below {root}:\n{lines}\n  {_summary(findings)}")
        self.findings = findings

    def results(self) -> list[str]:
        findings = self.findings
        if findings is None:
            return []
        unfinished = [f"  unfinished, never read: {folder}" for folder in findings.unfinished]
        return [f"nothing is damaged below {self.root}: {_summary(findings)}", *unfinished]


def _summary(findings: Findings) -> str:
    return (
        f"{findings.outputs:,} outputs ({findings.files:,} files, {findings.bytes / 1e6:,.1f} MB) and "
        f"{findings.published:,} published files are as they were written"
    )
