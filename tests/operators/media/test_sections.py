"""Adjacent steps on images: one decode, each row counted at the step that ends it, lists, changed images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.errors import InputError, plain
from datajob.media import picture as module
from datajob.media.values import media_type
from datajob.operators.base import Batch, Operator
from datajob.operators.image.image_size import ImageSize
from datajob.operators.image.sharpness import Sharpness
from datajob.operators.media import sections as module_sections
from datajob.operators.media.image_rows import ImageWork
from datajob.operators.media.sections import measures_of, sections
from datajob.operators.table.drop import Drop
from tests.support.image_steps import CRASH, RAISE, REFUSE, WRONG, Halve, Mean, Planted, Sizes, Width
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.pictures import encoded


def picture(width: int, level: int = 128, kind: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", (width, 8), (level, level, level)), kind)


def apply(table: pa.Table, *steps: Operator, policy: str = "drop") -> tuple[pa.Table, Accounting]:
    accounting = Accounting(policy)
    named = [Step(f"{number} {step.key}", step) for number, step in enumerate(steps)]
    return Chain(named, accounting).apply(table), accounting


def counts(accounting: Accounting) -> list[tuple[int, int, int, int]]:
    return [(c.rows_in, c.rows_out, sum(c.rejected.values()), c.failed) for c in accounting.tally.steps.values()]


def table_of(*images: Any, kind: Any = None) -> pa.Table:
    return pa.table({"id": list(range(len(images))), "image": pa.array(list(images), kind or pa.binary())})


def test_each_row_is_counted_at_the_step_that_ends_it() -> None:
    table = table_of(
        picture(10),
        picture(3),
        picture(20, level=250),
        picture(RAISE),
        picture(REFUSE),
        picture(WRONG),
        b"x",
        None,
        picture(12),
    )
    steps = [Width(min=5, output="width"), Planted(), Mean(max=200, output="mean"), Halve()]
    passed, accounting = apply(table, *steps)
    assert counts(accounting) == [(9, 6, 1, 2), (6, 3, 0, 3), (3, 2, 1, 0), (2, 2, 0, 0)]
    assert passed.column("id").to_pylist() == [0, 8]
    assert passed.column("width").to_pylist() == [10.0, 12.0]
    assert [Image.open(io.BytesIO(data)).size for data in passed.column("image").to_pylist()] == [(5, 4), (6, 4)]
    assert "KeyError: 'planted'" in plain(accounting.step("1 planted").error)


def test_steps_alone_have_the_result_of_steps_together() -> None:
    table = table_of(*(picture(width, level) for width in (3, 10, 11, RAISE, 40) for level in (0, 128, 255)), b"x", None)
    steps = [Width(min=5, output="width"), Planted(), Mean(min=50, max=200, output="mean"), Halve()]
    together, accounting = apply(table, *steps)
    alone, separate = table, []
    for step in steps:
        alone, one = apply(alone, step)
        separate += counts(one)
    assert together.equals(alone)
    assert counts(accounting) == separate


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([ImageSize(), Mean(), Mean()], [(0, 1), (1, 3)]),
        ([Mean(), ImageSize(), Halve(), Mean()], [(0, 4)]),
        ([Width(), Mean()], [(0, 2)]),
        ([ImageSize(), ImageSize(), Drop(columns=["id"]), Mean(), Mean()], [(0, 2), (2, 3), (3, 5)]),
        ([Mean(), Mean(column="other"), Mean(column="other")], [(0, 1), (1, 3)]),
        ([Mean(), Mean(folder="a")], [(0, 1), (1, 2)]),
        ([Width(keep_if="each", output="width"), Mean()], [(0, 2)]),
        ([ImageSize(output="side"), Mean()], [(0, 1), (1, 2)]),
        ([Drop(columns=["id"]), Drop(columns=["id"])], [(0, 1), (1, 2)]),
        ([], []),
    ],
    ids=str,
)
def test_steps_on_the_same_images_form_a_section(steps: list[Operator], expected: list[tuple[int, int]]) -> None:
    assert sections(steps) == expected


def test_an_image_is_decoded_once_for_all_steps_and_not_for_steps_after_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = module._decode_any
    monkeypatch.setattr(
        module, "_decode_any", lambda data, color, *more: (decoded.append(color), decode(data, color, *more))[1]
    )
    steps = (ImageSize(min_side=8), Mean(max=200), Mean(min=1), Halve())
    assert len(ImageWork(steps, lists=False)((picture(20),))) == 5
    assert decoded == ["rgb"]  # shared by luma and colors
    assert len(ImageWork((Sharpness(min=0), *steps), lists=False)((picture(20),))) == 6
    assert decoded == ["rgb", "gray", "rgb"]  # sharpness needs the exact luma
    decoded.clear()
    assert len(ImageWork((ImageSize(min_side=9), *steps), lists=False)((picture(20),))) == 1
    assert decoded == []


LISTS = [[10, 3], [10, 12], [3, 4], [], None, [10, None, 3]]
"""Widths of the images of each row."""


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("any", [[10, 3], [10, 12], [], None, [10, None, 3]]),
        ("all", [[10, 12], [], None]),
        ("each", [[10], [10, 12], [], [], None, [10, None]]),
    ],
)
@pytest.mark.parametrize("further", [[], [Mean()]], ids=["header", "pixels"])
def test_lists_follow_keep(keep: Any, expected: Any, further: list[Operator]) -> None:
    lists = [None if row is None else [None if width is None else picture(width) for width in row] for row in LISTS]
    passed, accounting = apply(table_of(*lists, kind=pa.list_(pa.binary())), Width(min=5, keep_if=keep), *further)
    found = [
        None if row is None else [None if data is None else Image.open(io.BytesIO(data)).width for data in row]
        for row in passed.column("image").to_pylist()
    ]
    assert found == expected
    assert passed.schema.field("image").type == pa.list_(pa.binary())
    assert all(c.missing == 0 for c in accounting.tally.steps.values())


@pytest.mark.parametrize(("keep", "ids", "failed"), [("any", [0], 1), ("all", [0], 1), ("each", [0, 1], 0)])
def test_a_list_with_one_bad_image(keep: Any, ids: list[int], failed: int) -> None:
    table = table_of([picture(10)], [picture(10), b"text", picture(12)], kind=pa.list_(pa.binary()))
    passed, accounting = apply(table, Mean(keep_if=keep, output="mean"))
    assert (passed.column("id").to_pylist(), accounting.step("0 mean").failed) == (ids, failed)
    if keep == "each":
        assert [len(images) for images in passed.column("image").to_pylist()] == [1, 2]
        assert passed.column("mean").to_pylist()[1] == [128.0, 128.0]


def test_placeholders_of_removed_images_are_removed_and_texts_that_do_not_match_fail() -> None:
    table = table_of([picture(10), picture(3)], [picture(10)], [picture(3)], kind=pa.list_(pa.binary()))
    table = table.append_column("text", pa.array(["a <image> b <image> c", "<image> <image>", "<image>\nx"]))
    passed, accounting = apply(table, Width(min=5, keep_if="each", text="text"), Mean(keep_if="each"))
    assert passed.column("text").to_pylist() == ["a <image> b  c", "x"]
    assert accounting.step("0 width").failed == 1
    assert plain(accounting.step("0 width").error).startswith("placeholders: the text has 2 placeholders")


def test_lists_of_measures_match_the_images_that_remain() -> None:
    table = table_of([picture(10), None, picture(3), picture(20, 250), picture(12)], [None], None, kind=pa.list_(pa.binary()))
    steps = [Width(min=5, keep_if="each", output="width"), Mean(max=200, keep_if="each", output="mean")]
    passed, _ = apply(table, *steps)
    assert passed.column("width").to_pylist() == [[10, None, 12], [None], None]
    assert passed.column("mean").to_pylist() == [[128, None, 128], [None], None]
    assert [None if row is None else len(row) for row in passed.column("image").to_pylist()] == [3, 1, None]
    passed, _ = apply(table, Width(min=5, output="width"))
    assert passed.column("width").to_pylist() == [[10, None, 3, 20, 12], [None], None]


def test_images_that_remain_are_changed_and_rows_with_other_texts_fail_alone() -> None:
    images = [[picture(10), None, picture(3), picture(12)], [picture(10), picture(3)], [picture(20)]]
    table = table_of(*images, kind=pa.list_(pa.binary()))
    table = table.append_column("text", pa.array(["<image>" * 4, "<image>", "<image>"]))
    passed, accounting = apply(table, Width(min=5, keep_if="each", text="text"), Halve())
    found = [[image and Image.open(io.BytesIO(image)).width for image in row] for row in passed.column("image").to_pylist()]
    assert (passed.column("id").to_pylist(), found) == ([0, 2], [[5, None, 6], [10]])
    assert accounting.step("0 width").failed == 1


def test_texts_between_images_remain_with_their_positions() -> None:
    images = [[None, picture(3), None, picture(10), picture(4)], [picture(10)]]
    table = table_of(*images, kind=pa.list_(pa.binary()))
    table = table.append_column("texts", pa.array([["a", None, "b", None, "c"], ["d", "e"]]))
    passed, accounting = apply(table, Width(min=5, keep_if="each", texts="texts"), Mean(keep_if="each"))
    assert passed.column("texts").to_pylist() == [["a", "b", None, "c"]]
    assert [image is None for image in passed.column("image").to_pylist()[0]] == [True, True, False, True]
    assert plain(accounting.step("0 width").error).startswith("texts: the row has 1 items, but 2 values in `texts`")
    with pytest.raises(InputError, match="must be a column of lists"):
        apply(table, Width(keep_if="each", texts="id"))


def test_measures_keep_the_position_of_an_image_that_becomes_null() -> None:
    table = table_of([None, picture(3), None, picture(10), picture(4)], [picture(3)], kind=pa.list_(pa.binary()))
    table = table.append_column("texts", pa.array([["a", None, "b", None, "c"], ["d"]]))
    steps = [Width(min=5, keep_if="each", texts="texts", output="width"), Mean(keep_if="each", output="mean")]
    passed, _ = apply(table, *steps)
    assert passed.column("width").to_pylist() == [[None, None, 10, None], [None]]
    assert passed.column("mean").to_pylist() == [[None, None, 128, None], [None]]
    assert [[image is None for image in row] for row in passed.column("image").to_pylist()] == [
        [True, True, False, True],
        [True],
    ]


def test_steps_that_name_other_texts_do_not_leave_placeholders_of_removed_images() -> None:
    table = table_of([picture(10), picture(3)], [picture(10)], kind=pa.list_(pa.binary()))
    table = table.append_column("text", pa.array(["a <image><image>", "<image>"]))
    table = table.append_column("caption", pa.array(["b <image><image>", "<image>"]))
    steps = [Width(min=5, keep_if="each", text="text"), Mean(keep_if="each", text="caption")]
    passed, accounting = apply(table, *steps)
    assert passed.column("id").to_pylist() == [1]
    assert plain(accounting.step("1 mean").error).startswith("placeholders: the text has 2 placeholders")


def test_measures_do_not_replace_their_images() -> None:
    for make in (lambda: Mean(output="image"), lambda: ImageSize(column="a", output="a")):
        with pytest.raises(ValueError, match="`output` must not be"):
            make()


def test_paths_and_structs_become_structs_with_the_new_bytes(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(picture(10))
    path = str(tmp_path / "a b.png")
    passed, _ = apply(table_of(path, "/nowhere.png", kind=pa.string()), Halve())
    assert passed.schema.field("image").type == media_type()
    [image] = passed.column("image").to_pylist()
    assert (image["path"], Image.open(io.BytesIO(image["bytes"])).size) == ("a b.png", (5, 4))
    both = [{"bytes": picture(10), "path": "x.png"}, {"bytes": picture(11), "path": None}, {"bytes": None, "path": path}]
    passed, _ = apply(table_of(*both, kind=media_type()), Halve())
    images = passed.column("image").to_pylist()
    assert [Image.open(io.BytesIO(image["bytes"])).width for image in images] == [5, 11, 5]
    assert [image["path"] for image in images] == ["x.png", None, "a b.png"]
    assert apply(table_of(kind=pa.string()), Halve())[0].schema.field("image").type == media_type()
    for value in (
        {"bytes": None, "path": path},
        {"bytes": picture(10), "path": None},
    ):  # a member has type null
        passed, _ = apply(table_of(value, kind=pa.array([value]).type), Halve())
        assert passed.schema.field("image").type == media_type()
        assert Image.open(io.BytesIO(passed.column("image").to_pylist()[0]["bytes"])).width == 5


def test_paths_of_unchanged_images_include_the_folder(tmp_path: Path) -> None:
    for name in ("a.png", "b#1.png"):
        (tmp_path / name).write_bytes(picture(11))
    size = len(picture(11))
    paths = ["a.png", "b#1.png", f"a.png#bytes=0,{size}", f"b%231.png#bytes=0,{size}", str(tmp_path / "a.png")]
    passed, _ = apply(table_of(*paths, kind=pa.string()), Halve(folder=str(tmp_path)))
    images = passed.column("image").to_pylist()
    assert [image["path"] for image in images] == [f"{tmp_path}/{path}" for path in paths[:4]] + paths[4:]
    assert apply(table_of(*images, kind=media_type()), Mean())[0].num_rows == 5


def test_measures_of_all_rows_are_those_of_the_images() -> None:
    batch = Batch(table_of(picture(3), b"x", None, picture(9)))
    assert str(Width(min=5).measures(batch)["width"].tolist()) == "[3.0, nan, nan, 9.0]"
    assert str(Mean(min=200).measures(batch)["mean"].tolist()) == "[128.0, nan, nan, 128.0]"


def test_a_decoder_that_crashes_fails_its_row_in_a_job(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    images = [picture(CRASH if n in (3, 40) else 10 + n) for n in range(60)]
    pq.write_table(table_of(*images), tmp_path / "in" / "a.parquet")
    steps = [
        {"imageSize": {"minSide": 8}},
        {"custom": {"operator": "tests.support.image_steps:Planted"}},
        {"custom": {"name": "halve", "operator": "tests.support.image_steps:Halve"}},
    ]
    steps[2]["custom"].pop("name")
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad")}
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors=errors))
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [n for n in range(60) if n not in (3, 40)]
    bad = pq.read_table(tmp_path / "bad" / "step=custom", partitioning=None).to_pylist()
    assert [(row["id"], row["_error"].split(":")[0]) for row in bad] == [(3, "decoderCrashed"), (40, "decoderCrashed")]
    assert report.progress.rows_failed == 2


def test_values_of_images_for_other_steps() -> None:
    batch = Batch(table_of(picture(3), b"x", None, picture(9)))
    assert Sizes().signed(batch) == [(3, 8), None, None, (9, 8)]
    assert {row: plain(reason).split(":")[0] for row, reason in batch.failures.items()} == {1: "notAnImage", 2: "noMedia"}
    assert Sizes().signed(Batch(table_of([picture(3), None], [], None, kind=pa.list_(pa.binary())))) == [[(3, 8)], [], []]


def test_filters_that_only_measure_share_one_decode_and_measure_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(table_of(picture(3), b"x", picture(RAISE), picture(9)))
    filters = {"a": Width(min=5), "b": Planted(), "c": Mean(min=200)}
    expected = {name: str({k: v.tolist() for k, v in rule.measures(batch).items()}) for name, rule in filters.items()}
    calls: list[int] = []
    run_isolated = module_sections.run_isolated
    monkeypatch.setattr(module_sections, "run_isolated", lambda work, items: (calls.append(1), run_isolated(work, items))[1])
    found = measures_of(filters, batch)
    assert {name: str({k: v.tolist() for k, v in m.items()}) for name, m in found.items()} == expected
    assert calls == [1]
