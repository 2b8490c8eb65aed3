"""What killed runs have left: removed when the next run starts. What a run that lives is writing stays."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glc import products, scratch

_NAME = "glc"


def remove(root: Path) -> list[Path]:
    """Remove scratch folders and lock files of processes that are gone, below the folder of all outputs.

    returns : what was removed
    """
    places = [root, *root.glob("store/*"), *root.glob("store/*/.*-parts"), *root.glob("datasets/*")]
    places += root.glob("datasets/*/.parts")
    places += products.stable_folders(root)
    return [path for place in places for path in scratch.remove_abandoned(place)]


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Have the temporary files of this process and of those it starts in one folder of TMPDIR, removed at the end.

    A killed process cannot remove its own: of the folders of earlier ones those are removed whose process is gone.
    """
    before, environment = tempfile.gettempdir(), os.environ.get("TMPDIR")
    scratch.remove_abandoned(before, _NAME)
    with scratch.folder(before, _NAME) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = before
            if environment is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = environment
