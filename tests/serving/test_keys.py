"""API keys: who may do what, and how they change while the service runs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.api.service.spec import KeyLimits
from datajob.serving.keys import Keys, Stamp
from datajob.serving.keys import _stamp as stamp_of
from datajob.serving.openai.errors import ApiError
from tests.support.serving import Running, new_service, running

CHAT = {"model": "test", "messages": [{"role": "user", "content": "a b"}]}
LIMITS = {
    "restricted": KeyLimits(models=("other",)),
    "limited": KeyLimits.model_validate({"requestsPerMinute": 2, "tokensPerMinute": 5000}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Secret with three keys, as Kubernetes mounts it."""
    data = tmp_path / "..2026"
    data.mkdir()
    (data / "team").write_text("sk-team\n")
    (data / "hashed").write_text(f"sha256:{hashlib.sha256(b'sk-hashed').hexdigest()}")
    (data / "restricted").write_text("sk-restricted")
    (data / "limited").write_text("sk-limited")
    (tmp_path / "..data").symlink_to(data)
    for file in data.iterdir():
        (tmp_path / file.name).symlink_to(Path("..data") / file.name)
    return tmp_path


@pytest.fixture
def guarded(folder: Path) -> Iterator[Running]:
    """A service with these keys."""
    with running(new_service(access=Keys(folder, LIMITS))) as found:
        yield found


def names(keys: Keys, *secrets: str) -> list[str]:
    """The names of the keys with these secrets; the error code of others."""
    found = []
    for secret in secrets:
        try:
            found.append(keys.authenticate(f"Bearer {secret}").name)
        except ApiError as error:
            found.append(str(error.reason))
    return found


def test_a_request_needs_a_key(guarded: Running) -> None:
    from openai import AuthenticationError

    for key in ("sk-team", "sk-hashed"):
        assert guarded.client(key).chat.completions.create(**CHAT).choices
        assert guarded.client(key).models.list().data
    for call in (lambda c: c.chat.completions.create(**CHAT), lambda c: c.models.list(), lambda c: c.models.retrieve("test")):
        with pytest.raises(AuthenticationError) as refused:
            call(guarded.client("sk-wrong"))
        assert refused.value.code == "invalid_api_key" and refused.value.response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "sk-team", "Basic sk-team", "Bearer sk-team x", "Bearer \xff"]
)
def test_other_forms_of_the_header_are_refused(guarded: Running, header: str | None) -> None:
    status, _, reply = guarded.post("/v1/chat/completions", CHAT, {"Authorization": header} if header is not None else {})
    assert (status, reply["error"]["code"]) == (401, "invalid_api_key")
    assert "sk-" not in reply["error"]["message"]


def test_a_key_that_may_not_use_the_model(guarded: Running) -> None:
    from openai import PermissionDeniedError

    with pytest.raises(PermissionDeniedError) as refused:
        guarded.client("sk-restricted").chat.completions.create(**CHAT)
    assert (refused.value.code, refused.value.param) == ("model_not_allowed", "model")
    assert not guarded.client("sk-restricted").models.list().data


def test_the_limits_of_a_key_are_in_the_headers_and_obeyed(guarded: Running) -> None:
    key = {"Authorization": "Bearer sk-limited"}
    found = [guarded.post("/v1/chat/completions", CHAT, key) for _ in range(3)]
    assert [status for status, *_ in found] == [200, 200, 429]
    assert [headers["x-ratelimit-remaining-requests"] for _, headers, _ in found] == ["1", "0", "0"]
    assert found[0][1]["x-ratelimit-limit-tokens"] == "5000" and found[0][1]["x-ratelimit-reset-requests"].endswith("s")
    assert found[2][2]["error"]["code"] == "rate_limit_exceeded" and 1 <= int(found[2][1]["retry-after"]) <= 30
    assert guarded.client("sk-team").chat.completions.create(**CHAT).choices


def test_health_and_metrics_need_no_key(guarded: Running) -> None:
    assert guarded.get("/healthz") == (200, '{"status":"ok"}')
    assert guarded.get("/metrics")[0] == 200


def test_keys_change_while_the_service_runs(folder: Path) -> None:
    now = 0.0
    keys = Keys(folder, LIMITS, lambda: now)
    assert names(keys, "sk-team", "sk-new") == ["team", "invalid_api_key"]
    new = folder / "..2027"
    new.mkdir()
    (new / "team").write_text("sk-new")
    (folder / "..next").symlink_to(new)
    (folder / "..next").rename(folder / "..data")
    assert names(keys, "sk-team") == ["team"]  # within a second
    now = 2.0
    assert names(keys, "sk-team", "sk-new", "sk-hashed") == ["invalid_api_key", "team", "invalid_api_key"]
    for file in folder.iterdir():
        if not file.name.startswith(".."):
            file.unlink()
    now = 4.0
    assert names(keys, "sk-new") == ["invalid_api_key"]


INVALID_KEYS = [
    b"", b" \n", b"sha256:", b"SHA256:abc", b"sha256:" + b"g" * 64, b"sk-a\nsk-b\n", b"sk a", "sk-\xe4".encode(),
    "sk-a".encode("utf-16"), b"\x00\xff\xfe", b"\x89PNG\r\n",
]  # fmt: skip


@pytest.mark.parametrize("content", INVALID_KEYS)
def test_an_entry_without_a_key_admits_nobody(folder: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "bad").write_bytes(content)
    keys = Keys(folder, {})
    text = content.decode("latin-1").strip() or "x"
    assert names(keys, "", text, "sk-team") == ["missing_api_key", "invalid_api_key", "team"]
    assert "`bad` is ignored" in caplog.text and "sk-" not in caplog.text


@pytest.mark.parametrize("content", ["sk-new", "sk-new\r\n", "\ufeffsk-new", "SHA256:{}", "sha256: {}\n", "sha256:{}"])
def test_forms_of_a_key(folder: Path, content: str) -> None:
    (folder / "new").write_text(content.format(hashlib.sha256(b"sk-new").hexdigest().upper()))
    assert names(Keys(folder, {}), "sk-new") == ["new"]


def test_the_digest_of_a_key_is_not_a_key(folder: Path) -> None:
    digest = hashlib.sha256(b"sk-new").hexdigest()
    (folder / "new").write_text(f"Sha256:{digest}")
    assert names(Keys(folder, {}), digest, f"Sha256:{digest}", f"sha256:{digest}") == ["invalid_api_key"] * 3


def test_a_key_that_is_removed_while_the_keys_are_read_ends_no_other_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(step=2.0)
    keys = Keys(folder, {}, lambda: next(now))
    assert names(keys, "sk-team", "sk-hashed") == ["team", "hashed"]

    def removing(path: Path) -> Stamp:
        found = stamp_of(path)
        (path / "hashed").unlink(missing_ok=True)
        return found

    monkeypatch.setattr("datajob.serving.keys._stamp", removing)
    (folder / "new").write_text("sk-new")
    assert names(keys, "sk-team") == ["team"]
    assert names(keys, "sk-team", "sk-hashed", "sk-new") == ["team", "invalid_api_key", "new"]


def test_limits_of_unknown_keys_and_equal_keys_are_in_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "again").write_text("sk-team")
    assert Keys(folder, {"taem": KeyLimits(concurrency=1)}).names == {"again", "team", "hashed", "restricted", "limited"}
    assert "limits for API keys that do not exist: taem." in caplog.text
    assert "`again` and `team` are equal" in caplog.text and "sk-" not in caplog.text


def test_limits_in_the_secret_take_precedence(folder: Path) -> None:
    (folder / "limits.json").write_text('{"team": {"concurrency": 1}, "limited": {"concurrency": 2}}')
    keys = Keys(folder, LIMITS)
    assert keys.authenticate("Bearer sk-team").limits.concurrency == 1
    assert keys.authenticate("Bearer sk-limited").limits == KeyLimits(concurrency=2)
    assert names(keys, '{"team": {"concurrency": 1}, "limited": {"concurrency": 2}}') == ["invalid_api_key"]


INVALID_LIMITS = [
    '{"team": {"requestsPerMinute": 1%s}}' % ("0" * 400), '{"team": {"tokensPerMinute": 1e400}}',
    '{"team": {"concurrency": "5"}}',
    '{"team": {"concurrency": true}}', "[]", "{", '{"team": {"x": 1}}', '{"team": 5}', "null", '{"team": {"concurrency": 0}}',
]  # fmt: skip


@pytest.mark.parametrize("content", INVALID_LIMITS)
def test_invalid_limits_in_the_secret_do_not_lift_the_limits(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "limits.json").write_text('{"team": {"concurrency": 1}}')
    now = itertools.count(step=2.0)
    keys = Keys(folder, LIMITS, lambda: next(now))
    assert keys.authenticate("Bearer sk-team").limits.concurrency == 1
    (folder / "limits.json").write_text(content)
    assert keys.authenticate("Bearer sk-team").limits.concurrency == 1
    assert "limits.json of the API keys is not valid" in caplog.text


@pytest.mark.parametrize("content", INVALID_LIMITS)
def test_no_key_is_accepted_before_valid_limits_have_been_read(folder: Path, content: str) -> None:
    (folder / "limits.json").write_text(content)
    assert names(Keys(folder, LIMITS), "sk-team") == ["invalid_api_key"]


def test_without_a_folder_nobody_is_admitted(tmp_path: Path) -> None:
    assert names(Keys(tmp_path / "missing", {}), "x") == ["invalid_api_key"]


def test_two_names_with_the_same_key_are_one_client(folder: Path) -> None:
    (folder / "again").write_text("sk-team")
    found: Any = names(Keys(folder, {}), "sk-team")
    assert found == ["again"]
