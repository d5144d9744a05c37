"""Removal of images from lists: what is counted, and the columns that change accordingly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datajob.engine.plan.fused import plan_job
from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.operators.base import Batch
from datajob.operators.media.removal import RemovesItems
from tests.support.image_steps import Mean, Width
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.pictures import encoded


def picture(width: int, level: int = 128) -> bytes:
    return encoded(Image.new("RGB", (width, 8), (level, level, level)), "PNG")


def table_of(*images: Any) -> pa.Table:
    return pa.table({"id": list(range(len(images))), "image": pa.array(list(images), pa.list_(pa.binary()))})


IMAGES = [[picture(10), None, picture(3), picture(20, 250), b"text"], [picture(3), picture(3)], [picture(10)], [], None]


def test_removed_images_are_counted_by_reason_at_the_step_that_removes_them() -> None:
    accounting = Accounting("drop")
    steps = [Width(min=5, keep_if="each"), Mean(max=200, keep_if="each")]
    table = Chain([Step(step.key, step) for step in steps], accounting).apply(table_of(*IMAGES))
    counts = accounting.tally.steps
    assert counts["width"].removed_items == {"width_too_low": 3, "notAnImage": 1}
    assert counts["mean"].removed_items == {"mean_too_high": 1}
    assert [None if row is None else len(row) for row in table.column("image").to_pylist()] == [2, 0, 1, 0, None]
    assert all(step.missing == 0 and not step.rejected and not step.failed for step in counts.values())


def test_images_of_rows_that_fail_do_not_count_as_removed() -> None:
    table = table_of([picture(3), picture(10)], [picture(3), picture(10)])
    table = table.append_column("text", pa.array(["<image>", "<image> <image>"]))
    accounting = Accounting("drop")
    step = Width(min=5, keep_if="each", text="text")
    passed = Chain([Step("width", step)], accounting).apply(table)
    assert accounting.step("width").removed_items == {"width_too_low": 1}
    assert (accounting.step("width").failed, passed.column("text").to_pylist()) == (1, [" <image>"])


def test_a_filter_without_a_job_removes_the_same_images() -> None:
    table = table_of(*IMAGES)
    verdict = Width(min=5, keep_if="each", output="width").keep(Batch(table))
    assert verdict.columns["width"].to_pylist() == [[10, None, 20], [], [10], [], None]
    assert {reason: counts.tolist() for reason, counts in verdict.removed.items()} == {
        "width_too_low": [1, 2, 0, 0, 0],
        "notAnImage": [1, 0, 0, 0, 0],
    }


def test_the_report_counts_removed_images_and_measures_of_earlier_steps_match_the_images(
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(table_of([picture(10), None, picture(3), picture(20, 250)], [picture(12)]), tmp_path / "in" / "a.parquet")
    steps = [
        {"mediaInfo": {}},
        {"imageSize": {"minSide": 1, "output": "side"}},
        {"rename": {"columns": {"image": "images", "height": "rows", "mode": "kind"}}},
        {"compute": {"columns": {"kind": "len(images)"}}},
        {"aspectRatio": {"column": "images", "min": 1, "keep": "each", "output": "ratio"}},
        {"limit": {"count": 10}},
        {"brightness": {"column": "images", "max": 0.9, "keep": "each", "output": "luma"}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps))
    row, other = sorted(read_manifest(tmp_path / "out"), key=lambda found: found["id"])
    assert [len(row[name]) for name in ("images", "width", "rows", "frames", "side", "ratio", "luma")] == [2] * 7
    assert (row["width"], row["side"], row["kind"]) == ([10, None], [8.0, None], 4)
    assert (other["width"], other["ratio"]) == ([12], [1.5])
    removed = {step.name: step.removed_items for step in report.steps if step.removed_items}
    assert removed == {"aspectRatio": {"aspect_ratio_too_low": 1}, "brightness": {"brightness_too_high": 1}}


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ([], ("side", "width", "height", "format", "mode", "frames")),
        ([{"compute": {"columns": {"width": "1", "frames": "2"}}}], ("side", "height", "format", "mode")),
        ([{"rename": {"columns": {"side": "shorter"}}}], ("shorter", "width", "height", "format", "mode", "frames")),
        ([{"rename": {"columns": {"image": "other", "page": "image"}}}], ()),
    ],
)
def test_the_plan_follows_columns_with_a_value_per_image(tmp_path: Path, between: list[Any], expected: tuple[str, ...]) -> None:
    steps = [{"imageSize": {"output": "side"}}, {"mediaInfo": {}}, *between, {"sharpness": {"keep": "each"}}]
    last = plan_job(make_job(tmp_path, tmp_path / "out", steps).spec).steps[-1].operator
    assert isinstance(last, RemovesItems)
    removal = last.removal()
    assert removal is not None and removal.per_item == expected


def test_a_row_whose_other_list_has_another_length_fails() -> None:
    table = table_of([picture(3), picture(10)], [picture(10)])
    table = table.append_column("width", pa.array([[1], [2]]))
    accounting = Accounting("drop")
    step = Width(min=5, keep_if="each").trimming(("width", "missing"))
    passed = Chain([Step("width", step)], accounting).apply(table)
    assert passed.column("id").to_pylist() == [1]
    assert "lists" in accounting.step("width").error
