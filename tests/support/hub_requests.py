"""The HTTP API of a stand-in for the Hugging Face Hub, as far as its client uses it for data sets."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.support.hub_store import Commit, Hub, Repository


@dataclass
class _Refused(Exception):
    """The answer to a request that is refused."""

    status: int
    code: str = ""
    message: str = ""


class HubRequest(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer in one packet: clients acknowledge the first of several late
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path, self.query = parts.path, parse_qs(parts.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests[f"{self.command} {path}"] += 1
        self.hub.authorizations.add(self.headers.get("Authorization"))
        for failure in self.hub.failures:
            if re.search(failure[0], f"{self.command} {path}"):
                self.hub.failures.remove(failure)
                self._send(failure[1], b"", failure[2])
                return
        found = ((re.fullmatch(pattern, f"{self.command} {path}"), method) for pattern, method in _ROUTES)
        match, method = next(((match, method) for match, method in found if match), (None, None))
        try:
            if match is None or method is None:
                raise _Refused(404)
            method(self, **{key: unquote(value) for key, value in match.groupdict().items() if value is not None})
        except _Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self._send(refused.status, json.dumps({"error": refused.message}).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        for lost in self.hub.lost_answers:
            if self.path.endswith(lost):
                self.hub.lost_answers.remove(lost)
                self.close_connection = True
                return
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, content: Any, headers: dict[str, str] | None = None) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _repository(self, name: str) -> Repository:
        token = self.headers.get("Authorization")
        repository = self.hub.repositories.get(name)
        allowed = token == f"Bearer {self.hub.token}"
        if token is not None and not allowed:
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        if repository is None or (repository.private and not allowed):
            raise _Refused(404 if allowed else 401, "RepoNotFound", "Repository not found")
        if repository.gated and not allowed:
            raise _Refused(401, "GatedRepo", "Access to this data set is restricted")
        return repository

    def _commit(self, name: str, revision: str) -> Commit:
        commit = self._repository(name).at(revision)
        if commit is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def revision(self, name: str, revision: str = "main") -> None:
        commit = self._commit(name, revision)
        self._json({"id": name, "sha": commit.sha, "private": self.hub.repositories[name].private, "siblings": []})

    def tree(self, name: str, revision: str, folder: str = "") -> None:
        commit = self._commit(name, revision)
        below = f"{folder}/" if folder else ""
        every = {path for file in commit.files for path in (file, *map(str, PurePosixPath(file).parents))} - {"."}
        recursive = self.query.get("recursive", ["false"])[0].lower() == "true"
        paths = sorted(path for path in every if path.startswith(below) and (recursive or "/" not in path[len(below) :]))
        if not paths:
            raise _Refused(404, "EntryNotFound")
        start = int(self.query.get("cursor", ["0"])[0])
        entries = [_entry(path, commit.files.get(path)) for path in paths[start : start + self.hub.page]]
        rest = f"{self.hub.url}{self.path.split('?')[0]}?recursive={recursive}&cursor={start + self.hub.page}"
        self._json(entries, {"Link": f'<{rest}>; rel="next"'} if start + self.hub.page < len(paths) else {})

    def paths_info(self, name: str, revision: str) -> None:
        commit = self._commit(name, revision)
        asked = parse_qs(self.body.decode()).get("paths") or json.loads(self.body or b"{}").get("paths", [])
        self._json([_entry(path, commit.files[path]) for path in asked if path in commit.files])

    def resolve(self, name: str, revision: str, path: str) -> None:
        commit = self._commit(name, revision)
        if path not in commit.files:
            raise _Refused(404, "EntryNotFound")
        headers = {"X-Repo-Commit": commit.sha, "X-Linked-Size": str(len(commit.files[path])), "X-Linked-Etag": '"etag"'}
        self._send(302, b"", {"Location": f"{self.hub.url}/cdn/{name}/{commit.sha}/{quote(path)}", **headers})

    def cdn(self, name: str, revision: str, path: str) -> None:
        commit = self.hub.repositories[name].at(revision)
        assert commit is not None
        data = commit.files[path]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        headers = {"X-Repo-Commit": revision, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if match is None:
            self._send(200, data, headers)
            return
        start, end = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1)
        if start >= len(data):
            raise _Refused(416)
        self._send(206, data[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def commits(self, name: str, revision: str) -> None:
        self._commit(name, revision)
        found = list(reversed(self.hub.repositories[name].branches[revision]))
        start = int(self.query.get("p", ["0"])[0])
        page = [
            {"id": one.sha, "title": one.title, "message": one.message, "date": "2026-11-27T00:00:00.000Z", "authors": []}
            for one in found[start : start + self.hub.page]
        ]
        rest = f"{self.hub.url}{self.path.split('?')[0]}?p={start + self.hub.page}"
        self._json(page, {"Link": f'<{rest}>; rel="next"'} if start + self.hub.page < len(found) else {})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        if name in self.hub.repositories:
            exists = {"error": "You already created this dataset repo", "url": f"{self.hub.url}/datasets/{name}"}
            self._send(409, json.dumps(exists).encode())
            return
        private = asked.get("private") is True or asked.get("visibility") == "private"
        self.hub.add(name, {".gitattributes": "*.parquet filter=lfs"}, private=private)
        self._json({"url": f"{self.hub.url}/datasets/{name}", "name": name})

    def branch(self, name: str, branch: str) -> None:
        repository = self._repository(name)
        if branch in repository.branches:
            raise _Refused(409, "", "Reference already exists")
        repository.branches[branch] = list(repository.branches["main"])
        self._json({})

    def yaml(self) -> None:
        self._json({"errors": [], "warnings": []})

    def auth_check(self, name: str) -> None:
        self._repository(name)
        if self.headers.get("Authorization") is None:
            raise _Refused(403)
        self._json({})

    def preupload(self, name: str, revision: str) -> None:
        self._commit(name, revision)
        asked = json.loads(self.body)["files"]
        modes = [("lfs" if one["path"].endswith(".parquet") else "regular") for one in asked]
        self._json(
            {
                "files": [
                    {"path": one["path"], "uploadMode": mode, "shouldIgnore": False}
                    for one, mode in zip(asked, modes, strict=True)
                ]
            }
        )

    def lfs(self, name: str) -> None:
        found = []
        for one in json.loads(self.body)["objects"]:
            upload = {"upload": {"href": f"{self.hub.url}/objects/{one['oid']}", "header": {}}}
            found.append({**one, **({} if one["oid"] in self.hub.objects else {"actions": upload})})
        self._json({"transfer": "basic", "objects": found})

    def store(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.objects[oid] = self.body
        self._send(200, b"")

    def commit(self, name: str, revision: str) -> None:
        while self.hub.before_commit:
            self.hub.before_commit.pop(0)()
        repository = self._repository(name)
        if self.headers.get("Authorization") is None:
            raise _Refused(403, "", "Forbidden: you must be authenticated")
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        head = repository.branches[revision][-1]
        if header.get("parentCommit") not in (None, head.sha):
            raise _Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in sorted(lines[1:], key=lambda line: not line["key"].startswith("deleted")):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise AssertionError(line["key"])
        made = repository.commit(files, revision, header["summary"], header.get("description", ""))
        self._json({"success": True, "commitOid": made.sha, "commitUrl": f"{self.hub.url}/datasets/{name}/commit/{made.sha}"})


def _entry(path: str, data: bytes | None) -> dict[str, Any]:
    if data is None:
        return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}
    entry = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    if path.endswith(".parquet"):
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return entry


_API = r"/api/(?:datasets|models)/(?P<name>[^/]+(?:/[^/]+)?)"
_AT = r"/(?P<revision>[^/]+)"
_FILE = r"/(?P<path>.+)"
_ROUTES: list[tuple[str, Any]] = [
    (rf"GET {_API}/revision{_AT}", HubRequest.revision),
    (rf"GET {_API}/tree{_AT}(?:/(?P<folder>.+))?", HubRequest.tree),
    (rf"POST {_API}/paths-info{_AT}", HubRequest.paths_info),
    (rf"GET {_API}/commits{_AT}", HubRequest.commits),
    (rf"POST {_API}/preupload{_AT}", HubRequest.preupload),
    (rf"POST {_API}/commit{_AT}", HubRequest.commit),
    (rf"GET {_API}/auth-check(?:/write)?", HubRequest.auth_check),
    (rf"POST {_API}/branch/(?P<branch>[^/]+)", HubRequest.branch),
    (rf"GET {_API}", HubRequest.revision),
    (r"POST /api/repos/create", HubRequest.create),
    (r"POST /api/validate-yaml", HubRequest.yaml),
    (r"POST /datasets/(?P<name>[^/]+/[^/]+?)(?:\.git)/info/lfs/objects/batch", HubRequest.lfs),
    (r"PUT /objects/(?P<oid>\w+)", HubRequest.store),
    (rf"(?:GET|HEAD) /datasets/(?P<name>[^/]+(?:/[^/]+)?)/resolve{_AT}{_FILE}", HubRequest.resolve),
    (rf"(?:GET|HEAD) /cdn/(?P<name>[^/]+(?:/[^/]+)?)/(?P<revision>[0-9a-f]{{40}}){_FILE}", HubRequest.cdn),
]
