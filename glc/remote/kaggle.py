"""Kaggle's own client: who asks, what a competition has, what was submitted, and errors that say what to do.

``import kaggle`` authenticates, over the network where there is a token, and prints what is missing; `client` therefore
loads the client's class alone and authenticates when a command needs it.
"""

import contextlib
import importlib.metadata
import importlib.util
import io
import sys
import time
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from glc.errors import ConfigError, DataError, GlcError
from glc.remote.download import Open, Remote
from glc.types import Say

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk.competitions.types.competition_api_service import ApiCompetition, ApiSubmission

INSTALL = "pip install -e '.[kaggle]', in the checkout"
CREDENTIALS = (
    "make a token at https://www.kaggle.com/settings/api and give it as KAGGLE_API_TOKEN or in ~/.kaggle/access_token; "
    "or set KAGGLE_USERNAME and KAGGLE_KEY, or save its kaggle.json as ~/.kaggle/kaggle.json"
)
PAGE = 200
"""Files or submissions per request."""
MOST_PAGES = 50
"""Pages of a list of files that are read; a competition of unpacked images has thousands."""


def client() -> "KaggleApi":
    """Kaggle's client, authenticated.

    raises : ConfigError where the package or the credentials are missing
    """
    api = _api_class()()
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), explained("authentication", ""):
            api.authenticate()
    except SystemExit:
        raise ConfigError(f"no valid credentials for Kaggle; {CREDENTIALS}") from None
    return api


def _api_class() -> type["KaggleApi"]:
    """The class of the client, without running the ``__init__`` of its package."""
    if "kaggle" not in sys.modules:
        spec = importlib.util.find_spec("kaggle")
        if spec is None or spec.submodule_search_locations is None:
            raise ConfigError(f"this needs the package kaggle, which is not installed; try: {INSTALL}")
        package = types.ModuleType("kaggle")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        package.__version__ = importlib.metadata.version("kaggle")  # type: ignore[attr-defined]
        sys.modules["kaggle"] = package
    from kaggle.api.kaggle_api_extended import KaggleApi  # the extra `kaggle` brings it

    return KaggleApi


@contextlib.contextmanager
def explained(what: str, page: str) -> Iterator[None]:
    """Errors of a request as our own, with what to do.

    what : is being asked for; page : of the competition, or empty
    """
    try:
        yield
    except requests.HTTPError as error:
        raise _explanation(what, page, error) from None
    except requests.RequestException as error:
        raise DataError(
            f"{what}: no answer from Kaggle ({type(error).__name__}); check the network and run the same command again"
        ) from None


def _explanation(what: str, page: str, error: requests.HTTPError) -> GlcError:
    response = error.response
    status, said = response.status_code, _said(response)
    if status == 401:
        return ConfigError(f"{what}: Kaggle refuses the credentials{said}; {CREDENTIALS}")
    if status == 403:
        return ConfigError(
            f"{what}: Kaggle does not permit it{said}; sign in, open {page}/rules and accept the rules of the "
            "competition (one that is over may no longer take part in), then run the same command again"
        )
    if status == 404:
        return DataError(f"{what}: Kaggle knows no such competition or file{said}; see {page}")
    if status == 429:
        seconds = response.headers.get("Retry-After", "")
        wait = f"in {seconds} seconds" if seconds.isdigit() else "in some minutes"
        return DataError(f"{what}: too many requests to Kaggle{said}; run the same command again {wait}")
    return DataError(f"{what}: Kaggle answered {status}{said}; see {page or 'https://www.kaggle.com'}")


def _said(response: requests.Response) -> str:
    """Kaggle's own words, in brackets."""
    try:
        text = str(response.json().get("message", ""))
    except (ValueError, AttributeError):
        text = ""
    return f" ({text})" if text else ""


def files(api: "KaggleApi", slug: str, page: str) -> Iterator[list[Remote]]:
    """The files of a competition, a page at a time.

    slug : of the competition; page : its address, for errors
    raises : DataError after `MOST_PAGES`
    """
    token = ""
    for _ in range(MOST_PAGES):
        with explained(f"files of {slug}", page):
            answer = api.competition_list_files(slug, page_token=token or None, page_size=PAGE)
        yield [Remote(file.name, file.total_bytes) for file in answer.files]
        token = answer.next_page_token
        if not token:
            return
    raise DataError(
        f"{slug}: has more than {MOST_PAGES * PAGE:,} files, expected to find those that are needed among the first; "
        "fetch its archive as a whole: --all"
    )


def opener(api: "KaggleApi", slug: str, name: str) -> Open:
    """Asks for a file of a competition; for the archive of all its files if `name` is empty."""
    from kagglesdk.competitions.types.competition_api_service import (
        ApiDownloadDataFileRequest,
        ApiDownloadDataFilesRequest,
    )

    def ask() -> requests.Response:
        with api.build_kaggle_client() as kaggle:
            service = kaggle.competitions.competition_api_client
            if not name:
                whole = ApiDownloadDataFilesRequest()
                whole.competition_name = slug
                return service.download_data_files(whole)
            request = ApiDownloadDataFileRequest()
            request.competition_name, request.file_name = slug, name
            return service.download_data_file(request)

    return ask


def competition(api: "KaggleApi", slug: str, page: str) -> "ApiCompetition":
    """What Kaggle says of a competition: ``deadline``, ``user_has_entered``, ``submissions_disabled``."""
    from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

    request = ApiGetCompetitionRequest()
    request.competition_name = slug
    with explained(slug, page), api.build_kaggle_client() as kaggle:
        return kaggle.competitions.competition_api_client.get_competition(request)


def refuse_closed(state: "ApiCompetition", slug: str, page: str) -> str:
    """Raise a ConfigError where a competition takes no submission from this account.

    returns : a note if the deadline has passed; otherwise nothing
    """
    if state.submissions_disabled:
        raise ConfigError(f"{slug}: the competition is over and takes no more submissions; see {page}")
    if not state.user_has_entered:
        raise ConfigError(f"{slug}: this account has not joined; open {page}/rules and accept the rules")
    end = state.deadline
    if end is None or end.replace(tzinfo=end.tzinfo or UTC) > datetime.now(UTC):
        return ""
    return f"{slug} ended on {end:%Y-%m-%d}: a late submission is scored, but not ranked"


def submissions(api: "KaggleApi", slug: str, page: str) -> "list[ApiSubmission]":
    """The latest submissions of this account's team, the newest first."""
    with explained(f"submissions to {slug}", page):
        return [entry for entry in api.competition_submissions(slug, page_size=PAGE) or [] if entry is not None]


def upload(api: "KaggleApi", slug: str, page: str, file: Path, message: str) -> int:
    """Submit a file.

    returns : the submission's number
    raises : DataError where the upload fails
    """
    printed = io.StringIO()  # the client prints why an upload has failed
    with explained(f"submission to {slug}", page), contextlib.redirect_stdout(printed):
        answer = api.competition_submit(str(file), message, slug, quiet=True)
    if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
        reason = " ".join(printed.getvalue().split())
        raise DataError(f"{file}: could not be uploaded to {slug} ({reason or 'no reason given'}); run it again")
    return int(answer.ref)


def await_score(
    api: "KaggleApi", slug: str, page: str, ref: int, *, seconds: float, say: Say, every: float = 10.0
) -> "ApiSubmission | None":
    """Wait until a submission is judged.

    ref : its number; seconds : to wait at most; every : seconds between two looks
    returns : the submission, judged or still pending; None if Kaggle does not list it
    """
    end = time.monotonic() + seconds
    while True:
        entry = next((entry for entry in submissions(api, slug, page) if entry.ref == ref), None)
        left = end - time.monotonic()
        if left <= 0 or (entry is not None and entry.status.name != "PENDING"):
            return entry
        say(f"waiting for the score, {left:.0f} s at most")
        time.sleep(min(every, left))
