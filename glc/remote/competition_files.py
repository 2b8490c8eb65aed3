"""A contest's files in a dataset's folder: chosen by its edition, fetched, unpacked, recognised."""

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from glc import editions, storage
from glc.editions import Edition
from glc.errors import ConfigError, DataError
from glc.remote import download, kaggle, unpack, wanted
from glc.remote.download import Open, Remote
from glc.remote.wanted import Wanted
from glc.types import Facts

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

RECORD = ".download.json"
"""In the dataset's folder: what was fetched, with sizes."""
MOST_STATED = 20
"""Files of which the size is stated each."""


def stage_of(folder: Path) -> Path:
    """Folder next to the dataset's, in which files wait until all have arrived: inside, an edition might find them."""
    return folder.with_name(f".{folder.name}.download")


@dataclass(frozen=True)
class Selection:
    """What is fetched of a contest.

    globs : of paths at the contest, in addition to the edition's tables
    everything : the archive of all files
    """

    globs: tuple[str, ...] = ()
    everything: bool = False

    @property
    def key(self) -> str:
        """Its name in the record."""
        return "everything" if self.everything else json.dumps(["tables", *sorted(self.globs)])


def contest_at_kaggle(edition: Edition) -> editions.Contest:
    """The edition's contest; a ConfigError for one that Kaggle does not have."""
    contest = edition.contest
    if contest is None:
        raise ConfigError(f"edition {edition.name}: is of no contest; nothing of it is at Kaggle")
    if contest.host != "Kaggle":
        raise ConfigError(
            f"edition {edition.name}: the contest was at {contest.host}, not at Kaggle; fetch the files by hand from "
            f"{contest.page}, then: glc doctor --dataset FOLDER"
        )
    return contest


def choose(api: "KaggleApi", edition: Edition, selection: Selection) -> tuple[list[Wanted], list[str]]:
    """The files to fetch, and globs of tables that the contest's list does not have.

    The list is read until the edition's tables are found; to its end where globs are given.
    """
    contest = contest_at_kaggle(edition)
    globs = (*contest.files, *selection.globs)
    listed: list[Remote] = []
    chosen: dict[str, Wanted] = {}
    for page in kaggle.files(api, contest.slug, contest.page):
        listed += page
        chosen = wanted.tables(edition, listed)
        if not globs and wanted.complete(edition, chosen):
            break
    wanted.refuse_without_training(edition, chosen, listed, contest.page)
    by_name = {each.remote.name: each for each in (*chosen.values(), *wanted.by_glob(globs, listed))}
    for glob in selection.globs:
        if not wanted.by_glob([glob], listed):
            raise DataError(f"--files {glob}: found no such file in {contest.slug}; see {contest.page}/data")
    absent = [table.patterns[0] for table in edition.tables if table.patterns[0] not in chosen]
    return list(by_name.values()), absent


def is_complete(folder: Path, edition: Edition, selection: Selection) -> bool:
    """Whether the selection was fetched into the folder, and every file still has its size."""
    return is_recorded(folder, edition, selection.key)


def is_recorded(folder: Path, edition: Edition, key: str) -> bool:
    """The same of a selection by its name in the record."""
    files = recorded(folder).get(edition.name, {}).get(key)
    return files is not None and all(_has_size(folder / name, size) for name, size in files.items())


def recorded(folder: Path) -> Facts:
    """What was fetched into the folder: edition -> selection -> path -> bytes."""
    path = folder / RECORD
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except json.JSONDecodeError:
        raise DataError(f"{path}: is not JSON, expected what a download writes; remove it") from None


def fetch_chosen(api: "KaggleApi", edition: Edition, folder: Path, chosen: Sequence[Wanted], key: str) -> list[Path]:
    """Fetch files, and move them into the folder when all have arrived.

    chosen : of `choose`; key : of the selection
    returns : their paths; a file that is there with the size that the contest states is not fetched again
    """
    contest = contest_at_kaggle(edition)
    stage = stage_of(folder)
    known: dict[str, int] = {}
    for files in recorded(folder).get(edition.name, {}).values():
        known |= files
    missing = [each for each in chosen if not is_there(folder, each, known)]
    for each in missing:
        place = _below(stage, each.place)
        if not place.is_file():
            with kaggle.explained(each.remote.name, contest.page):
                fetch_one(kaggle.opener(api, contest.slug, each.remote.name), each.remote, place)
    return finish(edition, folder, stage, [each.place for each in missing], [each.place for each in chosen], key)


def fetch_all(api: "KaggleApi", edition: Edition, folder: Path) -> list[Path]:
    """Fetch the archive of all files, and unpack it into the folder."""
    contest = contest_at_kaggle(edition)
    stage = stage_of(folder)
    archive = stage / f"{contest.slug}.zip"
    if not archive.is_file():
        with kaggle.explained(archive.name, contest.page):
            download.fetch(kaggle.opener(api, contest.slug, ""), archive)
    inside = stage / "unpacked"
    shutil.rmtree(inside, ignore_errors=True)
    places = [path.relative_to(inside).as_posix() for path in unpack.unpack(archive, inside)]
    paths = finish(edition, folder, inside, places, places, Selection(everything=True).key)
    shutil.rmtree(stage)
    return paths


def fetch_one(ask: Open, remote: Remote, place: Path) -> None:
    """Fetch a file, which hosts may send as a zip of it alone, and compare it with the size that was stated."""
    arrived = place.with_name(f"{place.name}.arrived")
    if not arrived.is_file():
        download.fetch(ask, arrived, title=remote.name)
    size = arrived.stat().st_size
    if _is_zip_of_one(arrived, place):
        with_file = place.with_name(f"{place.name}.unpacked")
        shutil.rmtree(with_file, ignore_errors=True)
        (path,) = unpack.unpack(arrived, with_file)
        if remote.bytes not in (None, size, path.stat().st_size):
            _refuse_size(arrived, remote, path.stat().st_size)
        path.replace(place)
        shutil.rmtree(with_file)
        arrived.unlink()
        return
    if remote.bytes not in (None, size):
        _refuse_size(arrived, remote, size)
    arrived.replace(place)


def _refuse_size(arrived: Path, remote: Remote, size: int) -> None:
    arrived.unlink()
    raise DataError(
        f"{remote.name}: found {size:,} bytes, expected {remote.bytes:,} as listed; it was removed, run the same "
        "command again"
    )


def _is_zip_of_one(arrived: Path, place: Path) -> bool:
    """Whether a file that is no archive has arrived as one."""
    if place.suffix == ".zip" or not zipfile.is_zipfile(arrived):
        return False
    with zipfile.ZipFile(arrived) as packed:
        names = [info.filename for info in packed.infolist() if not info.is_dir()]
    if len(names) != 1:
        raise DataError(f"{place.name}: arrived as a zip of {len(names)} files, expected the file alone")
    return True


def finish(
    edition: Edition, folder: Path, stage: Path, new: Sequence[str], all_places: Sequence[str], key: str
) -> list[Path]:
    """Move what has arrived into the folder, once its files are the edition's, and record what is there.

    stage : folder of the files `new`; a folder that is not there yet is made of it at once
    all_places : of the selection `key`, in the folder
    returns : paths of all files of the selection
    """
    if not folder.exists():
        recognise(stage, edition)
        _record(stage, edition, all_places, key)
        stage.replace(folder)
        return [folder / name for name in all_places]
    for name in new:
        place = _below(folder, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        _below(stage, name).replace(place)
    recognise(folder, edition)
    _record(folder, edition, all_places, key)
    shutil.rmtree(stage, ignore_errors=True)
    return [folder / name for name in all_places]


def _record(folder: Path, edition: Edition, places: Sequence[str], key: str) -> None:
    facts = recorded(folder)
    facts.setdefault(edition.name, {})[key] = {name: (folder / name).stat().st_size for name in places}
    with storage.atomic_file(folder / RECORD) as file:
        file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def recognise(folder: Path, edition: Edition) -> None:
    """Raise a DataError unless the folder's files are the edition's, with the columns that it reads."""
    dataset = editions.recognise(folder)
    if dataset.edition.name != edition.name:
        raise DataError(
            f"{folder}: has the files of {dataset.edition.name} as well, expected those of {edition.name} alone; give "
            "an empty folder with --folder"
        )
    editions.check(dataset)


def is_there(folder: Path, each: Wanted, known: dict[str, int]) -> bool:
    """Whether a file is there: as the contest lists it, or as an earlier download left it."""
    return _has_size(_below(folder, each.place), each.remote.bytes) or _has_size(
        _below(folder, each.place), known.get(each.place)
    )


def _has_size(path: Path, size: int | None) -> bool:
    return size is not None and path.is_file() and path.stat().st_size == size


def _below(folder: Path, name: str) -> Path:
    """Path of a file in the folder; a DataError for a name that leads out of it."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name:
        raise DataError(f"{name}: leads out of {folder}, expected the path of a file in it; nothing was written")
    return folder / parts


def state(chosen: Sequence[Wanted], absent: Sequence[str], folder: Path, say: Callable[[str], object]) -> None:
    """Say which files are fetched and how large they are, and refuse a disk with less room.

    chosen : files; absent : globs of tables without a file; say : called with lines that are to stay on the screen
    """
    size = download.refuse_without_room(folder, [each.remote for each in chosen], 2.0)
    for each in chosen[:MOST_STATED]:
        say(f"{each.place}: {download.in_words(each.remote.bytes)}")
    if len(chosen) > MOST_STATED:
        say(f"and {len(chosen) - MOST_STATED:,} more files")
    say(f"together {download.in_words(size)}, into {folder}")
    for glob in absent:
        say(f"not among the contest's files: {glob}")


def state_all(api: "KaggleApi", edition: Edition, folder: Path, say: Callable[[str], object]) -> None:
    """The same of the archive of all files, of which twice its size is free on the disk, or it is refused."""
    contest = contest_at_kaggle(edition)
    with kaggle.explained(contest.slug, contest.page):
        size = download.size_of(kaggle.opener(api, contest.slug, ""))
    archive = Remote(f"{contest.slug}.zip", size)
    download.refuse_without_room(folder, [archive], 2.0)
    say(f"{archive.name}: {download.in_words(size)}, unpacked into {folder}")
