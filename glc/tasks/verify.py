"""Every output below ROOT compared with its manifest."""

from pathlib import Path

import luigi

from glc import objectstore, storage
from glc.errors import DamagedError, DataError
from glc.findings import Findings
from glc.progress import tqdm
from glc.tasks.console.task import ConsoleTask
from glc.tasks.parameters import RootParameter


def look(root: Path) -> Findings:
    """Compare all files of the store, of the virtual worlds and of the published files with their manifests."""
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
        findings.add(file["bytes"] for file in files)
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
    """Compare every file below ROOT that a manifest names with its sha256; damaged ones make the task fail.

    Where ROOT is in an object store, the files there are compared by their sizes, and with ``--content`` by their
    sha256; so are the copies on this machine.
    """

    only_reads = True
    root = RootParameter(default="", significant=False)
    content = luigi.BoolParameter(
        significant=False, description="of an object store, download every file and compare its sha256 as well"
    )

    findings: Findings | None = None
    stored: Findings | None = None

    def complete(self) -> bool:
        return self.findings is not None

    def run(self) -> None:
        root = Path(self.root)
        if not root.is_dir():
            raise DataError(f"--root {root}: no such folder; give the folder of all outputs")
        mirror, findings = objectstore.opened(root), look(root)
        self.stored = None if mirror is None else objectstore.inspect(mirror, content=self.content)
        damaged = [*findings.damaged, *(self.stored.damaged if self.stored else [])]
        if damaged:
            lines = "\n".join(f"  {text}" for text in damaged)
            raise DataError(f"{len(damaged)} damaged below {self._place}:\n{lines}\n  {self._summary(findings)}")
        self.findings = findings

    def results(self) -> list[str]:
        findings = self.findings
        if findings is None:
            return []
        unfinished = [*findings.unfinished, *(self.stored.unfinished if self.stored else [])]
        return [
            f"nothing is damaged below {self._place}: {self._summary(findings)}",
            *(f"  unfinished, never read: {place}" for place in unfinished),
        ]

    @property
    def _place(self) -> str:
        mirror = objectstore.opened(Path(self.root))
        return self.root if mirror is None else mirror.store.url

    def _summary(self, findings: Findings) -> str:
        if self.stored is None:
            return f"{findings} are as they were written"
        size = "" if self.content else " in size (--content compares sha256)"
        return f"{self.stored} are as they were written{size}; on this machine {findings}"
