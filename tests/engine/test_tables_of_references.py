"""Stages that rewrite media hold the new files of few rows at a time, also if the rows only refer to the files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.report import Report
from datajob.engine.commit.shard import Shard
from datajob.engine.input.inputs import BATCH_BYTES
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.rejects import CollectedRejects
from datajob.formats.media_sizes import EXPANSION
from datajob.media.values import media_type
from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.normalize_loudness import NormalizeLoudness
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.audio.vad_segment import VadSegment
from datajob.operators.image.convert_image import ConvertImage
from datajob.operators.image.resize_image import ResizeImage
from datajob.operators.operator import Operator
from datajob.operators.video.cut_media import CutMedia
from datajob.operators.video.extract_audio import ExtractAudio
from datajob.operators.video.extract_frames import ExtractFrames
from datajob.operators.video.scene_split import SceneSplit
from tests.engine.test_memory import run_measured
from tests.support.local_jobs import make_job, run


@dataclass
class Stored:
    """One table of an earlier stage."""

    table: pa.Table
    step: None = None

    def tables(self, shard: Shard, on_bad: Any) -> Iterator[pa.Table]:
        """The table."""
        yield self.table


def rows_at_a_time(table: pa.Table, *steps: Operator, for_model: bool = False) -> list[int]:
    """The rows of each table of the intake; all together, they are the table."""
    accounting = Accounting("fail", CollectedRejects())
    new_files = {found for step in steps if (found := step.new_files()) is not None}
    tables = list(Intake(Stored(table)).tables(Shard(0, "key", 0), accounting, for_model, new_files))  # type: ignore[arg-type]
    assert pa.concat_tables(tables).equals(table)
    return [each.num_rows for each in tables]


def test_tables_are_cut_by_the_files_that_a_step_replaces(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(BATCH_BYTES // 4)
    (tmp_path / "small").write_bytes(b"x")
    large, small = {"bytes": None, "path": str(tmp_path / "large")}, {"bytes": None, "path": str(tmp_path / "small")}
    images = pa.array([large] * 10 + [small] * 1000 + [large] * 3, media_type())
    table = pa.table({"image": images, "id": range(len(images)), "texts": [[str(tmp_path / "large")] * 3] * len(images)})
    step = ConvertImage()
    assert rows_at_a_time(table) == [1013]
    assert rows_at_a_time(table, step) == [4, 4, 1003, 2]
    assert rows_at_a_time(table, step, ResizeImage(side=9)) == [4, 4, 1003, 2]
    assert rows_at_a_time(table.slice(0, 4), step, ConvertImage(column="texts")) == [1, 1, 1, 1]
    assert rows_at_a_time(table, ConvertImage(column="id"), ConvertImage(column="later")) == [1013]
    assert rows_at_a_time(table.slice(0, 40), step, for_model=True) == [4, 4, 8, 24]


@pytest.mark.parametrize(
    ("step", "cuts"),
    [
        (ResampleAudio(column="media"), True),
        (NormalizeLoudness(column="media"), True),
        (VadSegment(column="media", format="flac"), True),
        (VadSegment(column="media"), False),
        (CutMedia(column="media"), True),
        (ExtractAudio(column="media", format="copy"), True),
        (ExtractAudio(column="media"), False),
        (ExtractFrames(column="media"), True),
        (Loudness(column="media"), False),
        (SceneSplit(column="media"), False),
    ],
    ids=str,
)
def test_steps_that_write_new_files_into_rows_process_few_large_files_at_a_time(
    step: Operator, cuts: bool, tmp_path: Path
) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(BATCH_BYTES // 2)
    table = pa.table({"media": [str(tmp_path / "large")] * 5})
    assert rows_at_a_time(table, step) == ([2, 2, 1] if cuts else [5])


def test_compressed_audio_counts_with_its_decoded_size(tmp_path: Path) -> None:
    for ending in ("mp3", "opus", "flac"):
        with (tmp_path / f"large.{ending}").open("wb") as file:
            file.truncate(BATCH_BYTES // 2 // EXPANSION)
    table = pa.table({"audio": [f"{tmp_path}/large.{ending}" for ending in ("mp3", "mp3", "opus", "flac", "flac", "mp3")]})
    assert rows_at_a_time(table, ResampleAudio()) == [2, 3, 1]
    parts = pa.table({"audio": [f"{tmp_path}/large.mp3#t={start},{start + 50}" for start in range(4)]})
    assert rows_at_a_time(parts, ResampleAudio()) == [1] * 4, "50 seconds have up to 9.6 MB"


def test_new_audio_of_a_few_rows_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.sounds import file, noise

    (tmp_path / "in").mkdir()
    (tmp_path / "clip.mp3").write_bytes(file(noise(5, 44_100, channels=2), "mp3", 44_100))
    pq.write_table(pa.table({"audio": [str(tmp_path / "clip.mp3")] * 24}), tmp_path / "in" / "rows.parquet")
    held: list[int] = []
    apply = Chain.apply

    def measured(chain: Chain, table: pa.Table) -> pa.Table:
        found = apply(chain, table)
        held.append(found.nbytes)
        return found

    monkeypatch.setattr(Chain, "apply", measured)
    monkeypatch.setattr("datajob.engine.worker.intake.BATCH_BYTES", 2 << 20)
    steps = [{"resampleAudio": {"rate": 48_000, "channels": 2, "quality": "LQ"}}]
    job = make_job(tmp_path, tmp_path / "out", steps, sources=[{"parquet": {"paths": [str(tmp_path / "in")]}}])
    assert run(job, shard_bytes=None).progress.rows_out == 24
    assert sum(held) > 24 * 5 * 48_000 * 4, "the new files have 23 MB"
    assert max(held) < 6 << 20, f"{held}: the new files of few rows"


def test_files_below_the_folder_of_the_step_count(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(BATCH_BYTES)
    table = pa.table({"image": ["large", "missing", "large", None, "large"]})
    assert rows_at_a_time(table, ConvertImage(folder=str(tmp_path))) == [2, 2, 1]
    assert rows_at_a_time(table, ConvertImage()) == [5]


@pytest.mark.slow
def test_the_memory_of_new_files_does_not_depend_on_the_number_of_rows(tmp_path: Path) -> None:
    from tests.support.pictures import encoded, photo

    (tmp_path / "in").mkdir()
    rows = 600
    (tmp_path / "photo.png").write_bytes(encoded(photo("china")))
    pq.write_table(pa.table({"image": [str(tmp_path / "photo.png")] * rows}), tmp_path / "in" / "rows.parquet")
    steps = [{"custom": {"operator": "tests.support.image_steps:Swell"}}]
    job = make_job(tmp_path, tmp_path / "out", steps, sources=[{"parquet": {"paths": [str(tmp_path / "in")]}}])
    peak = run_measured(job, tmp_path)
    report = Report.model_validate(json.loads((tmp_path / "out" / "_datajob" / "report.json").read_text()))
    assert report.progress.rows_out == rows
    assert peak < 800 << 20, peak >> 20
