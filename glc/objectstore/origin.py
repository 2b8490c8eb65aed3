"""From a file in an object store to the output that it is part of, or a copy of."""

from functools import partial
from urllib.parse import urlparse

from glc import storage
from glc.errors import DataError
from glc.objectstore.inspection import digest
from glc.objectstore.mirror import MARK, Mirror
from glc.objectstore.opening import checked_url, connect
from glc.objectstore.store import Store


def root_above(url: str, source: str) -> str:
    """The URL of the root that a file or folder of a store is below; a DataError says that it is in none.

    url : of the file; source : the option that it was read from, for errors
    """
    parsed = urlparse(checked_url(url, source))
    parts = [part for part in parsed.path.split("/") if part]
    for count in range(len(parts) + 1):
        top = "/".join([f"{parsed.scheme}://{parsed.netloc}", *parts[:count]])
        if Store(top, partial(connect, parsed.scheme)).read(MARK) is not None:
            return top
    raise DataError(
        f"{url}: not below a root of glc (no folder above it has the file {MARK}); give a file that glc has published"
    )


def product_of(mirror: Mirror, name: str) -> tuple[str, str]:
    """The output that a file or folder of a store is in, or was copied from.

    name : of the file, below the root
    returns : (name of the output, empty or a warning that the file is no longer what was written)
    A DataError says that glc did not make it.
    """
    parts = name.split("/")
    if parts[0] == "store" and len(parts) > 2:
        return "/".join(parts[:3]), ""
    place = mirror.store.place(name)
    for count in range(len(parts), 0, -1):  # a file may be part of a folder that was published whole
        above = "/".join(parts[:count])
        record = mirror.record_of(above)
        if record is None:
            continue
        facts = mirror.manifest(mirror.root / str(record["output"]))
        if facts is None:
            raise DataError(f"{place}: the output that it is a copy of was removed since (glc clean)")
        part, known = name.removeprefix(above).lstrip("/"), record["sha256"]
        if part in facts["contents"]:
            known, path = facts["contents"][part]["sha256"], name
        else:  # a file, or a folder, which is known by its manifest
            is_file = known in [file["sha256"] for file in facts["contents"].values()]
            path = name if is_file else f"{above}/{storage.MANIFEST}"
        actual = digest(mirror, path)
        warning = f"differs from its product: found sha256 {actual}, expected {known}; it was edited by hand"
        return str(record["output"]), "" if actual == known else warning
    raise DataError(f"{place}: glc did not make it, or its product was removed since (glc clean)")
