"""What an object store has, compared with the manifests there."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from glc import storage
from glc.errors import DamagedError
from glc.findings import Findings
from glc.objectstore.mirror import RECORDS, Mirror, files_of
from glc.progress import tqdm


def inspect(mirror: Mirror, *, content: bool = False) -> Findings:
    """Compare all outputs and products of a store with their manifests and records.

    content : also download each file, one by one, and compare its sha256; otherwise only its size
    """
    seen, sizes = Findings(), mirror.store.sizes("")
    for name in tqdm(_outputs(sizes), desc="outputs compared", unit="output"):
        folder = mirror.root / name
        try:
            facts = mirror.manifest(folder)
        except DamagedError as error:
            seen.damaged.append(_problem(error.cause, mirror.store.place(name)))
            continue
        if facts is None:
            seen.unfinished.append(mirror.store.place(name))
            continue
        base, before = mirror.base(folder, facts), len(seen.damaged)
        files = files_of(folder, facts)
        for file in files:
            cause = _difference(mirror, f"{base}/{file.name}", file.bytes, file.sha256, sizes, content)
            if cause:
                seen.damaged.append(_problem(cause, mirror.store.place(name)))
                break
        if len(seen.damaged) == before:
            seen.add(file.bytes for file in files)
    for name in sorted(name for name in sizes if name.startswith(f"{RECORDS}/")):
        _inspect_product(mirror, name.removeprefix(f"{RECORDS}/"), sizes, content, seen)
    return seen


def digest(mirror: Mirror, path: str) -> str:
    """sha256 of a file of the store, which is downloaded for that; empty where there is none."""
    with tempfile.TemporaryDirectory(dir=mirror.root, prefix=".", suffix=".partial") as scratch:
        copy = Path(scratch) / "file"
        return storage.file_digest(copy) if mirror.store.download(path, copy) else ""


def _inspect_product(mirror: Mirror, name: str, sizes: dict[str, int], content: bool, seen: Findings) -> None:
    record = mirror.record_of(name)
    try:
        source = None if record is None else mirror.manifest(mirror.root / str(record["output"]))
    except DamagedError:  # of the output, which is reported
        return
    if record is None or source is None:  # removed since (glc clean), or published again by the next run
        return
    if f"{name}/{storage.MANIFEST}" in sizes:
        text = mirror.store.read(f"{name}/{storage.MANIFEST}") or b""
        wanted = {f"{name}/{part}": file for part, file in source["contents"].items()}
        same = hashlib.sha256(text).hexdigest() == record["sha256"]
    else:
        copied = [file for file in source["contents"].values() if file["sha256"] == record["sha256"]]
        wanted = dict(zip([name], copied, strict=False))
        same = bool(wanted)
    causes = [_difference(mirror, path, file["bytes"], file["sha256"], sizes, content) for path, file in wanted.items()]
    cause = next(filter(None, causes), "" if same else f"{mirror.store.place(name)}: differs from its product")
    if cause:
        seen.damaged.append(
            f"{cause}\n    remedy: remove {mirror.store.place(f'{RECORDS}/{name}')}; the next run of its "
            "task publishes it again"
        )
    else:
        seen.published += 1


def _difference(mirror: Mirror, path: str, size: int, sha256: str, sizes: dict[str, int], content: bool) -> str:
    """What is wrong with a file of the store; empty for nothing."""
    place = mirror.store.place(path)
    if path not in sizes:
        return f"{place}: found no such file, expected one of {size:,} bytes"
    if sizes[path] != size:
        return f"{place}: found {sizes[path]:,} bytes, expected {size:,}"
    if content and (actual := digest(mirror, path)) != sha256:
        return f"{place}: found sha256 {actual[:12]}…, expected {sha256[:12]}… (the content has changed)"
    return ""


def _problem(cause: str, url: str) -> str:
    return f"{cause}\n    remedy: remove {url}, or run its task with --repair; the next run makes it again"


def _outputs(sizes: dict[str, int]) -> list[str]:
    """Names of the outputs that files of the store belong to, finished or not."""

    def folders() -> Iterator[str]:
        for name in sizes:
            parts = name.split("/")
            if parts[0] == "store" and len(parts) > 3 and parts[3] != ".lease":
                yield "/".join(parts[:3])
            elif parts[0] == "datasets" and len(parts) > 4 and parts[2] == ".parts" and parts[4] != ".lease":
                yield "/".join(parts[:4])

    return sorted(set(folders()))
