"""A downloaded zip, unpacked: nothing outside of the folder, nothing larger than it says."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from glc import storage
from glc.editions._archive import unpacked_size
from glc.errors import DataError
from glc.progress import tqdm


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack all files of a zip into a folder.

    archive : the zip; folder : exists, or is made
    returns : the files, in the archive's order
    raises : DataError, before anything is written, for names that lead out of the folder, links, encrypted files, files
        that unpack to more than an archive of data would, and where the disk is too small; or for a damaged archive
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            infos = [info for info in packed.infolist() if not info.is_dir()]
            size = sum(unpacked_size(archive, info) for info in infos)
            paths = [folder / _inside(archive, info) for info in infos]
            folder.mkdir(parents=True, exist_ok=True)
            storage.check_space(folder, size, f"what is in {archive.name}", "free some, or give another folder")
            for info, path in zip(tqdm(infos, desc=f"unpacking {archive.name}", unit="file"), paths, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(info) as source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            return paths
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); remove it, and fetch it again") from None


def _inside(archive: Path, info: zipfile.ZipInfo) -> PurePosixPath:
    """Path of a member in the folder."""
    name = PurePosixPath(info.filename)
    link = stat.S_ISLNK(info.external_attr >> 16)
    if link or name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in name.parts[0]:
        kind = "is a link" if link else "leads out of the folder"
        raise DataError(f"{archive}: {info.filename!r} {kind}, expected a file inside; it was not unpacked")
    return name
