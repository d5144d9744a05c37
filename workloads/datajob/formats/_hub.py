"""Repositories of data sets on the Hugging Face Hub, through the official client.

The client reads the token from `HF_TOKEN` or its login, and the address of the Hub from `HF_ENDPOINT`. It retries requests
that the Hub limits or cannot answer at the moment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from datajob.errors import DataJobError, InputError, StorageUnavailable
from datajob.formats._table_packages import package

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
_NAME = re.compile(r"(?:hf://)?(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+|[\w.-]+)(?:@(?P<revision>.+))?")
_BUSY = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class HubFile:
    """A file of a commit."""

    path: str
    size: int
    content: str
    """Hash of its content."""


@dataclass(frozen=True)
class Hub:
    """A repository of a data set."""

    name: str
    """`organization/name`."""
    kind: type[DataJobError] = InputError
    """The error that is raised if it cannot be used, unless a retry can help."""

    @property
    def url(self) -> str:
        """Its address for file systems."""
        return f"hf://datasets/{self.name}"

    def file_url(self, commit: str, path: str) -> str:
        """The address of a file in a commit."""
        return f"{self.url}@{commit}/{path}"

    @property
    def api(self) -> HfApi:
        """The client."""
        api: HfApi = package("huggingface_hub", "huggingface", "huggingface").HfApi(endpoint=endpoint())
        return api

    def commit_of(self, revision: str) -> str:
        """The commit of a branch, a tag or another name of a revision."""
        address = f"{self.api.endpoint}/api/datasets/{self.name}/revision/{quote(revision, safe='')}"
        with hub_errors(f"{self.url}@{revision}", self.kind):
            return str(json.loads(fetch(address))["sha"])

    def find_commit(self, revision: str) -> str | None:
        """The commit of a revision, or None if the repository or the revision does not exist."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        try:
            return self.commit_of(revision)
        except DataJobError as error:
            missing = isinstance(error.__cause__, RepositoryNotFoundError | RevisionNotFoundError)
            if missing and not isinstance(error.__cause__, GatedRepoError):
                return None
            raise

    def files(self, commit: str) -> list[HubFile]:
        """The files of a commit, sorted by path."""
        from huggingface_hub.hf_api import RepoFile

        with hub_errors(self.url, self.kind):
            tree = self.api.list_repo_tree(self.name, recursive=True, revision=commit, repo_type="dataset")
            found = [HubFile(one.path, one.size, _content(one)) for one in tree if isinstance(one, RepoFile)]
        return sorted(found, key=lambda file: file.path)

    def read(self, commit: str, path: str) -> str:
        """The text of a small file."""
        with hub_errors(f"{self.url}/{path}", self.kind):
            return fetch(file_address(self.name, commit, path)).decode("utf-8", "replace")


def file_address(name: str, commit: str, path: str) -> str:
    """The URL of a file."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(name, path, repo_type="dataset", revision=commit, endpoint=endpoint())


def fetch(address: str, **headers: str) -> bytes:
    """The answer to a GET request, which is repeated if the Hub asks for it. Raises errors of the client."""
    utils = package("huggingface_hub.utils", "huggingface", "huggingface")
    answer = utils.http_backoff("GET", address, headers={**headers, **utils.build_hf_headers()}, follow_redirects=True)
    utils.hf_raise_for_status(answer)
    return bytes(answer.content)


def endpoint() -> str | None:
    """The address of the Hub, or None for the public one."""
    return os.environ.get("HF_ENDPOINT") or None


def parse_name(text: str) -> tuple[str, str | None]:
    """The name and the revision in `org/name`, `hf://datasets/org/name` or `hf://datasets/org/name@revision`.

    Raises ValueError for another text.
    """
    match = _NAME.fullmatch(text.rstrip("/"))
    if match is None:
        raise ValueError(
            f"{text!r} is not the name of a data set, such as `org/name` or `hf://datasets/org/name`. To read certain files, "
            "use the source of their format, as in `parquet: {paths: [hf://datasets/org/name/data/*.parquet]}`"
        )
    return match["name"], match["revision"]


def _content(file: Any) -> str:
    return str(file.lfs.sha256 if file.lfs else file.blob_id)


@contextmanager
def hub_errors(place: str, kind: type[DataJobError]) -> Iterator[None]:
    """Convert the errors of the client to `kind`, or to StorageUnavailable if a retry can help."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise kind(f"{place}: cannot be used, because HF_HUB_OFFLINE is set. Unset it, or use a local copy.") from error
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        found = StorageUnavailable if _is_unavailable(error) else kind
        raise found(f"{place}: {reason}") from error


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _is_unavailable(error: Exception) -> bool:
    status = _status(error)
    return status in _BUSY if status is not None else _is_transport(error)


def _is_transport(error: BaseException) -> bool:
    """Whether no answer was received."""
    import httpx2

    return isinstance(error, httpx2.TransportError | ConnectionError | TimeoutError)


def _reason(error: Exception) -> str | None:
    """What is wrong, as a sentence. None for an error that is not one of the client."""
    from huggingface_hub import errors

    status = _status(error)
    if isinstance(error, errors.GatedRepoError):
        return "the data set is gated. Request access on its page, and set HF_TOKEN to a token of the account that has access."
    if status == 401 and "Invalid" in str(error):
        return "the Hub refuses the token in HF_TOKEN. Set it to a valid one, or unset it for public data sets."
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the data set does not exist or is private. Check its name; for a private one, set HF_TOKEN."
    if isinstance(error, errors.RevisionNotFoundError):
        return "the data set has no such revision. Check the name of the branch, the tag or the commit."
    if isinstance(error, errors.EntryNotFoundError):
        return "the data set has no such file."
    if status == 403:
        return f"permission denied. Use a token that permits this operation ({_short(error)})."
    if status == 429:
        return "the Hub limits the number of requests (429). Retry later, or set HF_TOKEN for a higher limit."
    if status is not None:
        return f"the Hub refuses the request ({_short(error)})."
    return f"the Hub cannot be reached ({_short(error)})." if _is_transport(error) else None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
