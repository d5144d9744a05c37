"""What a stand-in for the Hugging Face Hub stores: data sets with branches and commits."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Commit:
    """A commit of a repository, with all files."""

    sha: str
    files: dict[str, bytes]
    title: str = "initial commit"
    message: str = ""


@dataclass
class Repository:
    """A data set. The newest commit of a branch is the last."""

    private: bool = False
    gated: bool = False
    branches: dict[str, list[Commit]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main", title: str = "commit", message: str = "") -> Commit:
        """Add a commit with these files."""
        earlier = self.branches.setdefault(branch, [])
        text = f"{branch}{len(earlier)}{title}{sorted(files)}{message}".encode()
        commit = Commit(hashlib.sha1(text).hexdigest(), dict(files), title, message)
        earlier.append(commit)
        return commit

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch or the commit with this hash."""
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((one for commits in self.branches.values() for one in commits if one.sha == revision), None)


@dataclass
class Hub:
    """The server and what it stores. Tests change its fields."""

    url: str = ""
    token: str = "hf_secret"
    """The only valid token; private and gated data sets require it."""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Uploaded contents by SHA-256."""
    failures: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    """Answers to the next requests whose path matches a pattern: the pattern, the status and the headers."""
    requests: Counter[str] = field(default_factory=Counter)
    """Requests by method and path."""
    page: int = 3
    """Entries of a page, so that every listing has several pages."""
    lost_answers: list[str] = field(default_factory=list)
    """Requests whose path ends so are processed, but not answered."""
    before_commit: list[Any] = field(default_factory=list)
    """Functions that are called before the next commit is accepted."""
    slept: list[float] = field(default_factory=list)
    """How long the client waited before its retries. No time passes."""
    authorizations: set[str | None] = field(default_factory=set)

    def add(self, name: str, files: dict[str, bytes | str], **facts: Any) -> Repository:
        """A data set with one commit."""
        repository = self.repositories[name] = Repository(**facts)
        repository.commit({path: data.encode() if isinstance(data, str) else data for path, data in files.items()})
        return repository
