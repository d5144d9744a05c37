"""Refusals of an endpoint that concern a single row or the whole job, and models that change during a job."""

from __future__ import annotations

import re

import pytest

from datajob.errors import InvalidJob
from datajob.operators.inference.embed import Embed
from tests.support.endpoint_server import Behavior, EndpointServer, changed, refusing, saying
from tests.support.endpoint_steps import Run

FIREWALL = saying("<html>Attention Required!</html>", 403, "text/html")
DOUBTFUL: dict[str, Behavior] = {
    "firewall": FIREWALL,
    "moderation": refusing(403, message="Input was flagged"),
    "permission of a guardrail": refusing(403, "permission_denied", "Request blocked: prompt injection"),
    "404 of a gateway": saying("default backend - 404", 404, "text/plain"),
    "451": refusing(451),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_refusal_of_single_prompts_fails_their_rows(run: Run, server: EndpointServer, name: str) -> None:
    """The first and the last row are among them, when no other request was or will be answered."""
    rows = [f"{i:02}" for i in range(40)]
    refused = [0, 1, 17, 38, 39]
    prompts = [f"say {rows[i]}" for i in refused]
    server.refuse = lambda call: DOUBTFUL[name] if call.prompts[0] in prompts else None
    found = run(rows=rows, endpoint={"concurrency": 8})
    assert sorted(found.failed) == refused and len(server.calls) <= 40 + 4 * len(refused)
    assert all("refused the request" in reason and re.search("403|404|451", reason) for reason in found.failed.values())


def test_a_refusal_that_passes_costs_no_row(run: Run, server: EndpointServer) -> None:
    server.script.extend([FIREWALL, refusing(404)])
    assert not run().failed and len(server.calls) == 5


def test_a_key_that_is_revoked_ends_the_job(run: Run, server: EndpointServer) -> None:
    server.refuse = lambda call: refusing(403) if call.number >= 50 else None
    with pytest.raises(InvalidJob, match="rejects the API key"):
        run(rows=[str(i) for i in range(500)])
    assert len(server.calls) < 150


def test_only_the_text_that_a_firewall_refuses_fails(run: Run, server: EndpointServer) -> None:
    server.refuse = lambda call: FIREWALL if "5" in call.prompts else None
    assert list(run(Embed, rows=[str(i) for i in range(70)]).failed) == [5]


def test_embeddings_of_another_model_end_the_job(run: Run, server: EndpointServer) -> None:
    server.refuse = lambda call: changed(lambda body: body.update(model="other")) if call.number >= 2 else None
    with pytest.raises(InvalidJob, match="embeddings with the model tiny, and now with other"):
        run(Embed, rows=[str(i) for i in range(400)], endpoint={"concurrency": 1})


def test_answers_of_another_model_are_a_warning(run: Run, server: EndpointServer, caplog: pytest.LogCaptureFixture) -> None:
    server.script.append(changed(lambda body: body.update(model="older")))
    assert not run(endpoint={"concurrency": 1}).failed
    assert "answers with the model tiny after older" in caplog.text
