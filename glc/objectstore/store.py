"""Files of one folder of an object store, with errors that say what to do."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from glc.errors import DamagedError, DataError
from glc.types import Keywords, StrPath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_NO_CREDENTIALS = (
    "CredentialRetrievalError", "DefaultCredentialsError", "NoCredentialsError", "PartialCredentialsError",
    "RefreshError", "TokenRetrievalError", "UnauthorizedSSOTokenError",
)  # fmt: skip
"""Classes of errors, by name: the libraries that define them are optional."""
_REFUSED = re.compile(
    r"Forbidden|Invalid Credentials|SignatureDoesNotMatch|InvalidAccessKeyId|(?<![\w/.-])40[13](?![\w/.-])"
)
"""What says so in an error's text; not as part of a file's name."""
_REMEDIES = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE (and AWS_ENDPOINT_URL for a store that is "
    "not Amazon's), with the right to read, write, list and delete",
    "gs": "run: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS, for an account with the "
    "role Storage Object User",
}
_MAKE_BUCKET = {"s3": "aws s3 mb s3://{bucket}", "gs": "gcloud storage buckets create gs://{bucket}"}


class StoreError(DataError):
    """An object store that cannot be reached, or refuses."""


class DeniedError(StoreError):
    """An object store that refuses this account."""


class StoredDamageError(DamagedError):
    """An output in an object store that is not what was written.

    folder : of the output in the local cache
    url : of the output in the store; path : of the file; actual, expected : in words
    """

    def __init__(self, folder: StrPath, url: str, path: str, actual: str, expected: str) -> None:
        super().__init__(folder, path, actual, expected)
        self.args = (folder, url, path, actual, expected)  # what an error is made from when it travels
        self.url = url

    def __str__(self) -> str:
        return (
            f"{self.cause}; the output in the store is damaged: run the same command with --repair (luigi: "
            f"--machine-repair), or remove {self.url}"
        )


class Store:
    """The files below one URL.

    url : such as s3://bucket/folder
    connect : makes the fsspec file system; called once per process, since connections do not survive a fork
    """

    def __init__(self, url: str, connect: "Callable[[], AbstractFileSystem]") -> None:
        self.url = url.rstrip("/")
        self.scheme, _, self._base = self.url.partition("://")
        self._connect = connect
        self._files: dict[int, AbstractFileSystem] = {}

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._base.partition("/")[0]

    @property
    def files(self) -> "AbstractFileSystem":
        """The file system of this process."""
        process = os.getpid()
        if process not in self._files:
            self._files = {process: self._connect()}
        return self._files[process]

    def place(self, path: str) -> str:
        """The URL of a path below this store, for messages."""
        return f"{self.url}/{path}"

    def read(self, path: str) -> bytes | None:
        """The content of a small file; None where there is none."""
        with self._explained(f"reading {path}"):
            try:
                return self._ask("cat_file", self._at(path))
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Write a small file, replacing it."""
        with self._explained(f"writing {path}"):
            self._ask("pipe_file", self._at(path), content)

    def write_new(self, path: str, content: bytes) -> bool:
        """Write a small file unless there is one, in one step; returns whether it was written."""
        with self._explained(f"writing {path}"):
            # first asked, because some stand-ins for a store ignore the condition
            if self._ask("exists", self._at(path)):
                return False
            try:
                self._ask("pipe_file", self._at(path), content, mode="create")
            except FileExistsError:
                return False
            return True

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of all files below `folder`, by their path relative to it."""
        with self._explained(f"listing {folder}"):
            top = self._at(folder)
            listed = self._ask("find", top, withdirs=False, detail=True)
        prefix = f"{top.lstrip('/')}/"
        # a folder's marker, which some consoles make, is no file
        return {
            name.lstrip("/").removeprefix(prefix): int(info["size"] or 0)
            for name, info in listed.items()
            if info["type"] == "file" and not name.endswith("/")
        }

    def upload(self, source: Path, path: str) -> None:
        """Upload a file, replacing what is there; it appears whole or not at all."""
        with self._explained(f"uploading {path}"):
            self._transfer("put_file", str(source), self._at(path))

    def download(self, path: str, target: Path) -> bool:
        """Download a file; returns whether there is one."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._explained(f"downloading {path}"):
            try:
                self._transfer("get_file", self._at(path), str(target))
            except FileNotFoundError:
                return False
            return True

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        with self._explained(f"removing {path}"), contextlib.suppress(FileNotFoundError):
            self._ask("rm_file", self._at(path))

    def remove_folder(self, path: str) -> bool:
        """Remove all files below a folder; returns whether there were any."""
        names = list(self.sizes(path))
        with self._explained(f"removing {path}"):
            for name in names:
                self._ask("rm_file", f"{self._at(path)}/{name}")
        return bool(names)

    def _transfer(self, method: str, source: str, target: str) -> None:
        from glc.objectstore import connection

        watched: dict[str, Keywords] = {}
        if self.files.async_impl:
            watched = {"callback": connection.Progress(), **connection.OPTIONS[self.scheme][method]}
        self._ask(method, source, target, **watched)

    def _ask(self, method: str, *args: object, **options: object) -> Keywords:
        """Call a method of the file system; of one that is asynchronous with the limits of `connection`."""
        from glc.objectstore import connection  # fsspec, only where there is a store

        files = self.files
        if files.async_impl:
            return connection.patiently(files, getattr(files, f"_{method}"), *args, **options)
        return getattr(files, method)(*args, **options)

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}".rstrip("/")

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Make one line of what the libraries of a store raise, each its own classes."""
        try:
            yield
        except (StoreError, DamagedError):
            raise
        except FileNotFoundError:
            raise StoreError(self._no_bucket()) from None
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            if "bucket does not exist" in text or "NoSuchBucket" in text:
                raise StoreError(self._no_bucket()) from None
            if type(error).__name__ in _NO_CREDENTIALS:
                cause = f"found no usable credentials ({text})"
            elif isinstance(error, PermissionError) or _REFUSED.search(text):
                cause = f"access is denied ({text})"
            else:
                raise StoreError(
                    f"{self.url}: {doing} failed ({type(error).__name__}: {text}); what is finished is kept: check the "
                    "connection and run the same command again"
                ) from error
            remedy = _REMEDIES.get(self.scheme, "check the credentials")
            text = f"{self.url}: {cause}, expected credentials of an account that may use it; {remedy}"
            raise DeniedError(text) from None

    def _no_bucket(self) -> str:
        make = _MAKE_BUCKET.get(self.scheme, "make it").format(bucket=self.bucket)
        return f"{self.url}: found no bucket {self.bucket!r}, expected one; correct root, or make the bucket: {make}"
