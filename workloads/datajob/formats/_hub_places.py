"""Places of data sets that are written: a folder, or a repository on the Hub. Both change in one step."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from datajob.errors import SinkError
from datajob.formats._hub import MAIN, Hub, hub_errors
from datajob.formats._hub_configs import CARD
from datajob.formats.base import InputFile
from datajob.formats.folder import Folder
from datajob.formats.listing import is_hidden
from datajob.formats.storage import resolve, scheme_of

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

_RUN_FOLDER = re.compile(r"(data-[0-9a-f]{12})/")
TRAILER = "DataJob-Run: "
UPLOADS = 8
"""Files that are uploaded at the same time."""


class ChangedError(Exception):
    """The data set has changed since it was looked at."""


@dataclass(frozen=True)
class Content:
    """A data set at a point in time."""

    state: str
    """What identifies the content: changes are refused if it has changed."""
    card: str | None
    files: Sequence[InputFile]
    """All files, with their full addresses; `stable` is the path within the data set."""

    @property
    def paths(self) -> list[str]:
        """The paths of the files within the data set."""
        return [file.stable for file in self.files]


class Place(Protocol):
    """A place of a data set."""

    def prepare(self) -> None:
        """Create it if necessary, and check that it can be written. Raises SinkError."""

    def content(self) -> Content:
        """What it contains. Raises SinkError."""

    def has(self, run_id: str) -> bool:
        """Whether it contains the result of a run. Raises SinkError."""

    def change(self, before: Content, run_id: str, card: str, added: Sequence[str], removed: Sequence[str]) -> str:
        """Add files of the sink, remove others, and replace the card. Returns what was done.

        Raises ChangedError if the content is not `before` any more.
        """


@dataclass(frozen=True)
class FolderPlace:
    """The folder of the sink. The card is replaced atomically and decides which files belong to the data set."""

    path: str

    def prepare(self) -> None:
        """Nothing."""

    def content(self) -> Content:
        """All files below the folder, without hidden ones and those of results that the card does not name."""
        folder = Folder(self.path, SinkError)
        listed = folder.list(recursive=True)
        card = folder.read(CARD).decode("utf-8", "replace") if CARD in listed else None
        names = {*listed} - {CARD} - {*_unused(listed, card or "")}
        files = [InputFile(folder.join(name), listed[name], "", stable=name) for name in sorted(names) if not is_hidden(name)]
        return Content("", card, files)

    def has(self, run_id: str) -> bool:
        """Whether the card names the run."""
        card = self.content().card
        return card is not None and _mark(run_id) in card

    def change(self, before: Content, run_id: str, card: str, added: Sequence[str], removed: Sequence[str]) -> str:
        """Replace the card, and then delete the files that it does not contain any more."""
        folder = Folder(self.path, SinkError)
        folder.write(CARD, f"{_without_mark(card)}\n{_mark(run_id)}\n".encode())
        folder.delete({*removed, *_unused(folder.list(recursive=True), card)} - {*added})
        return f"The data set in {self.path} contains the result."


def _unused(paths: Iterable[str], card: str) -> list[str]:
    """Files of results that are not part of the data set: replaced ones, and those that never became a part of it."""
    return [path for path in paths if (match := _RUN_FOLDER.match(path)) and match[1] not in card]


def _mark(run_id: str) -> str:
    return f"<!-- {TRAILER}{run_id} -->"


def _without_mark(card: str) -> str:
    return re.sub(rf"\n*<!-- {TRAILER}.* -->\s*$", "", card).rstrip() + "\n"


@dataclass(frozen=True)
class RepositoryPlace:
    """A branch of a repository. Each result is one commit, whose message contains the ID of the run."""

    path: str
    """Folder with the files of the result."""
    name: str
    branch: str
    private: bool

    @property
    def _hub(self) -> Hub:
        return Hub(self.name, SinkError)

    @property
    def _shown(self) -> str:
        return f"{self._hub.url}@{self.branch}"

    def prepare(self) -> None:
        """Create the repository and the branch if necessary, and check that the token permits writing."""
        api = self._hub.api
        with hub_errors(self._shown, SinkError):
            api.create_repo(self.name, repo_type="dataset", private=self.private, exist_ok=True)
            if self.branch != MAIN:
                api.create_branch(self.name, repo_type="dataset", branch=self.branch, exist_ok=True)
            api.auth_check(self.name, repo_type="dataset", write=True)

    def content(self) -> Content:
        """The newest commit of the branch. A repository or branch that does not exist is empty."""
        hub = self._hub
        commit = hub.find_commit(self.branch)
        if commit is None:
            return Content("", None, [])
        listed = hub.files(commit)
        card = hub.read(commit, CARD) if any(file.path == CARD for file in listed) else None
        files = [
            InputFile(hub.file_url(commit, file.path), file.size, file.content, stable=file.path)
            for file in listed
            if file.path != CARD
        ]
        return Content(commit, card, files)

    def has(self, run_id: str) -> bool:
        """Whether the history of the branch contains the run."""
        hub = self._hub
        if hub.find_commit(self.branch) is None:
            return False
        with hub_errors(self._shown, SinkError):
            commits = hub.api.list_repo_commits(self.name, repo_type="dataset", revision=self.branch)
            return any(f"{TRAILER}{run_id}" in commit.message.splitlines() for commit in commits)

    def change(self, before: Content, run_id: str, card: str, added: Sequence[str], removed: Sequence[str]) -> str:
        """Upload the files, and make one commit."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete
        from huggingface_hub.errors import HfHubHTTPError

        api = self._hub.api
        with hub_errors(self._shown, SinkError):
            try:
                commit = api.create_commit(
                    self.name,
                    [
                        *self._uploaded(added),
                        *(CommitOperationDelete(path) for path in removed),
                        CommitOperationAdd(CARD, card.encode()),
                    ],
                    commit_message="Add the result of a DataJob" if not removed else "Replace rows by the result of a DataJob",
                    commit_description=f"{TRAILER}{run_id}",
                    repo_type="dataset",
                    revision=self.branch,
                    parent_commit=before.state,
                )
            except HfHubHTTPError as error:
                if error.response.status_code in (409, 412):
                    raise ChangedError from error
                raise
        return f"Committed {commit.oid[:12]} to {self._shown}."

    def _uploaded(self, added: Sequence[str]) -> list[CommitOperationAdd]:
        """The operations of files whose contents the Hub has received."""
        operations = []
        for start in range(0, len(added), UPLOADS):
            with tempfile.TemporaryDirectory(prefix="datajob-") as folder:
                some = [self._operation(path, folder) for path in added[start : start + UPLOADS]]
                self._hub.api.preupload_lfs_files(
                    self.name, some, repo_type="dataset", revision=self.branch, num_threads=UPLOADS, free_memory=True
                )
                operations += some
        return operations

    def _operation(self, path: str, folder: str) -> CommitOperationAdd:
        from huggingface_hub import CommitOperationAdd

        source = Folder(self.path, SinkError)
        if not scheme_of(self.path):
            return CommitOperationAdd(path, resolve(source.join(path))[1])
        local = os.path.join(folder, path.replace("/", "-"))
        with source.open_input(path) as remote, open(local, "wb") as copy:
            shutil.copyfileobj(remote, copy, 8 << 20)
        return CommitOperationAdd(path, local)
