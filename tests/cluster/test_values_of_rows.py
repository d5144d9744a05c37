"""No failure shows a value of a row in the log or in the report for the status, unless the setting allows it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.contract import ENV_EXECUTOR, ENV_RUN_ID, ENV_SHOW_ROWS, JOB_FILE
from datajob.cluster import run as entrypoint
from datajob.media.values import media_type
from datajob_controller.datajob.objects.configmaps import job_configmap
from tests.support.world import datajob

VALUE = "s3cr3t"
FUNCTIONS = f"""
class Odd(Exception):
    def __str__(self):
        raise ValueError("{VALUE}")

def raises(row):
    raise KeyError(row["text"])

def raises_odd(row):
    raise Odd()

def mixes(rows):
    import pyarrow as pa
    text = rows["text"].to_pylist()
    return {{"text": pa.array(text if text[0] != "x" else [[1] for _ in text])}}
"""


def rows(folder: Path, **columns: Any) -> dict[str, Any]:
    """A source of Parquet rows."""
    pq.write_table(pa.table({"id": [1, 2, 3], "text": ["x", VALUE, "y"], **columns}), folder / "in.parquet")
    return {"parquet": {"paths": [str(folder / "in.parquet")]}}


def text(kind: str, content: str, **options: Any) -> Callable[[Path], dict[str, Any]]:
    """A source of a file with this content."""

    def write(folder: Path) -> dict[str, Any]:
        (folder / f"in.{kind}").write_bytes(content.encode("latin-1"))
        return {kind: {"paths": [str(folder / f"in.{kind}")], **options}}

    return write


MEDIA = ("fileSize", "mediaInfo", "sharpness", "resizeImage")
"""Steps that fail for a path to a file that does not exist."""
STEPS: dict[str, dict[str, Any]] = {
    **{step: {step: {"column": "text"}} for step in MEDIA[:3]},
    "resizeImage": {"resizeImage": {"column": "text", "side": 8}},
    "map": {"map": {"function": "mine:raises"}},
    "map with an odd exception": {"map": {"function": "mine:raises_odd"}},
    "mapBatches": {"mapBatches": {"function": "mine:mixes", "batchSize": 1}},
    "compute": {"compute": {"columns": {"n": "CAST(text AS INTEGER)"}}},
    "filter": {"filter": {"where": "CAST(text AS DATE) > DATE '2026-01-01'"}},
    "error": {"filter": {"where": "error(text)"}},
    "cast": {"cast": {"columns": {"text": "int64"}}},
    "groupBy": {"groupBy": {"by": ["id"], "aggregates": {"n": {"function": "sum", "column": "text"}}}},
}
SOURCES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a line": text("json", f'{{"text": "a"}}\n{{"text": {VALUE}\n'),
    "a declared type": text(
        "json", f'{{"text": "2026-01-01T00:00:00"}}\n{{"text": "{VALUE}"}}\n', schema={"text": "timestamp[us]"}
    ),
    "a CSV row": text("csv", f"id,text\n1,a\n2,{VALUE},{VALUE}\n"),
    "a CSV value": text("csv", f"id,text\n1,1\n2,{VALUE}\n", schema={"text": "int64"}),
    "an encoding": text("text", f"a\n{VALUE}\xff\n", mode="line"),
    "an image": text("images", VALUE),
}


def outcome(folder: Path, capsys: Any, caplog: Any, shown: bool = False, **spec: Any) -> tuple[int, str]:
    """The exit code of the entrypoint, and everything that it prints, stores as its log or reports."""
    (folder / "mine.py").write_text(FUNCTIONS)
    defaults = {"sources": [rows(folder)], "sink": {"parquet": {"path": f"{folder}/out"}}}
    path = folder / JOB_FILE
    path.write_text(job_configmap(datajob(**{**defaults, **spec}), "run")["data"][JOB_FILE])
    failed: list[str] = []
    caplog.set_level(logging.INFO)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        original = entrypoint._failed
        patch.setattr(entrypoint, "_failed", lambda *given: failed.append(str(given[1])) or original(*given))
        code = entrypoint.main(str(path), {ENV_EXECUTOR: "local", ENV_RUN_ID: "run", ENV_SHOW_ROWS: str(shown).lower()})
    output = capsys.readouterr()
    logs = [file.read_text() for file in sorted((folder / "out").glob("_datajob/logs/*.log"))]
    return code, "\n".join([output.out, output.err, caplog.text, *logs, *failed])


@pytest.mark.parametrize("name", STEPS)
def test_a_failed_step_shows_the_row_number_but_no_value(name: str, tmp_path: Path, capsys: Any, caplog: Any) -> None:
    code, seen = outcome(tmp_path, capsys, caplog, steps=[STEPS[name]])
    assert VALUE not in seen
    if name == "groupBy":
        assert code == 2 and "(sum of `text`)" in seen
        return
    assert code == 5, seen
    assert f"Step {next(iter(STEPS[name]))}" in seen and "in.parquet" in seen
    assert "of those that reach the step in its shard" in seen
    assert ("failed on a row: notFound." in seen) == (name in MEDIA)


def test_a_reference_that_the_sink_cannot_read_shows_the_reason_but_no_path(tmp_path: Path, capsys: Any, caplog: Any) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    sources = [rows(folder, image=pa.array([{"bytes": None, "path": f"/{VALUE}"}] * 3, media_type()))]
    code, seen = outcome(tmp_path, capsys, caplog, sources=sources, steps=[{"drop": {"columns": ["text"]}}])
    assert code == 5 and "Step write failed on a row: notFound." in seen
    assert VALUE not in seen


@pytest.mark.parametrize("name", SOURCES)
def test_a_record_that_cannot_be_read_shows_its_position_but_no_value(
    name: str, tmp_path: Path, capsys: Any, caplog: Any
) -> None:
    code, seen = outcome(tmp_path, capsys, caplog, sources=[SOURCES[name](tmp_path)])
    assert code == 5, seen
    assert VALUE not in seen
    assert "Step read failed on a row: " in seen and f"{tmp_path}/in." in seen
    assert ("column text" in seen) == (name in ("a declared type", "a CSV value"))
    assert ("notAnImage" in seen) == (name == "an image")
    report = json.loads((tmp_path / "out" / "_datajob" / "report.json").read_text())
    assert VALUE in report["message"] or name == "an image"


def test_the_setting_shows_the_values(tmp_path: Path, capsys: Any, caplog: Any) -> None:
    code, seen = outcome(tmp_path, capsys, caplog, shown=True, steps=[STEPS["cast"]])
    assert code == 5 and "The row is {'id': '1', 'text': 'x'}" in seen
    assert "Step cast (column text) failed on a row: ValueError: " in seen
    assert "It is row 1 of those that reach the step" in seen


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("datajob.engine.driver.write_manifest", ("TypeError: unexpected error.", "test_values_of_rows.py")),
        ("datajob.engine.worker.chain.Chain.apply", ("TypeError (", "in.parquet")),
    ],
    ids=["driver", "worker"],
)
def test_an_unexpected_exception_shows_its_type_and_place_but_no_value(
    place: str, shown: tuple[str, ...], tmp_path: Path, capsys: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise TypeError(VALUE)

    monkeypatch.setattr(place, fail)
    code, seen = outcome(tmp_path, capsys, caplog)
    assert code == 1
    assert VALUE not in seen
    assert all(part in seen for part in shown)
    assert VALUE in json.loads((tmp_path / "out" / "_datajob" / "report.json").read_text())["message"]
