"""The sample that asks an endpoint, unchanged except for its URL."""

import pytest

from datajob.formats.json import JsonReader
from tests.samples.conftest import Sample
from tests.support.endpoint_server import KEY, choice, endpoint_server


def test_grade_docs_keeps_documents_with_good_grades(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint_server(key=KEY) as server:
        server.refuse = lambda call: choice(content=f" {len(call.prompts[0]) % 6}")
        ran = sample("grade-docs.yaml", f"spec.steps[2].textGeneration.endpoint.url={server.url}")
    rows = ran.rows(reader=JsonReader)
    assert len(server.calls) == 100 and 0 < len(rows) == 100 - ran.rejected()["where"]
    assert all(row["grade"].strip() in "345" and "excerpt" not in row for row in rows)
    (used,) = ran.report.endpoints
    assert used.requests == 100 and used.cost is not None and used.cost > 0
