"""From a product back to the raw files, by the manifests."""

import json
from pathlib import Path

from glc import objectstore
from glc.errors import ConfigError, DataError
from glc.products import Step, chain, product_of
from glc.tasks.console.task import ConsoleTask
from glc.tasks.machine import output_folder
from glc.tasks.parameters import PathParameter
from glc.types import JSON, Facts

_LONGEST = 100
"""Characters of a parameter's value that are shown."""


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
    files = f"  {file['files']:,} files" if "files" in file else ""
    content = f"  sha256 {file['sha256']}" if "sha256" in file else ""
    modified = f"  modified {file['modified']}" if "modified" in file else ""
    return f"{file['path']}{size}{files}{content}{modified}"


class ProductParameter(PathParameter):
    """An existing file or folder, or the URL of one in an object store."""

    def normalize(self, x: str) -> str:
        return x if "://" in x else super().normalize(x)


class Provenance(ConsoleTask):
    """Print how a product was made: each step back to the raw files, with identity, settings, versions and commit."""

    only_reads = True
    path = ProductParameter(
        "any", "give a file that glc has made", description="a product, or an output in ROOT/store; or the URL of one"
    )

    lines: list[str] | None = None

    def complete(self) -> bool:
        return self.lines is not None

    def run(self) -> None:
        if not self.path:
            raise ConfigError("--path: found nothing, expected a file that glc has made")
        root, folder, warning = self._in_store() if "://" in self.path else product_of(Path(self.path))
        steps = chain(root, folder)
        self.lines = [self.path, *([f"warning: {warning}"] if warning else []), *describe(root, steps)]

    def _in_store(self) -> tuple[Path, Path, str]:
        """As `product_of`, of a file in an object store; its root is opened."""
        url = objectstore.root_above(self.path.rstrip("/"), "--path")
        root = output_folder(url)
        mirror = objectstore.opened(root)
        if mirror is None:
            raise DataError(f"{url}: could not be opened")
        name, warning = objectstore.product_of(mirror, self.path.rstrip("/").removeprefix(f"{url}/"))
        return root, root / name, warning

    def results(self) -> list[str]:
        return self.lines or []
