"""The samples that work on tables, compared with pandas on the same input."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from pyarrow.fs import S3FileSystem

from tests.samples.conftest import SAMPLES, Sample

DOCS = SAMPLES / "data" / "docs.jsonl.gz"


def docs() -> pd.DataFrame:
    return pd.read_json(DOCS, lines=True)


@pytest.fixture
def store(bucket: str) -> S3FileSystem:
    """The S3 server as pandas reads and writes it."""
    return S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"), scheme="http")


@pytest.mark.s3
@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.slow])])
def test_text_length_agrees_with_pandas(sample: Sample, bucket: str, store: S3FileSystem, executor: str) -> None:
    texts = [*docs().text, None, "", "x" * 50, "x" * 51, "😀" * 50, "😀" * 51, "e\u0301" * 26]
    inner = bucket.removeprefix("s3://")
    before = pd.DataFrame({"id": range(len(texts)), "text": texts})
    before.iloc[:2000].to_parquet(f"{inner}/raw/a.parquet", filesystem=store)
    before.iloc[2000:].to_parquet(f"{inner}/raw/b.parquet", filesystem=store)

    sample("text-length.yaml", f"spec.sources[0].parquet.paths=['{bucket}/raw/']", into=f"{bucket}/long/", executor=executor)
    wanted = before.assign(text_length=before.text.str.len()).query("text_length > 50")
    found = pd.read_parquet(f"{inner}/long", filesystem=store)
    pd.testing.assert_frame_equal(found, wanted.astype({"text_length": "int64"}).reset_index(drop=True), check_dtype=False)


def test_join_and_group_agrees_with_pandas(sample: Sample, tmp_path: Path) -> None:
    ran = sample("join-and-group.yaml")
    names = pd.read_csv(SAMPLES / "data" / "languages.csv")
    joined = docs().merge(names, left_on="lang", right_on="code", how="left")
    wanted = (
        joined.assign(characters=joined.text.str.len())
        .groupby(["language", "script"], as_index=False)
        .characters.agg(documents="count", characters="sum", median="median", longest="max")
        .sort_values(["documents", "language"], ascending=[False, True])
    )
    assert ran.report.output is not None
    manifest = json.loads((tmp_path / "out/_datajob/manifest.json").read_text())
    found = pd.concat([pd.read_csv(tmp_path / "out" / file["path"]) for file in manifest["files"]])
    pd.testing.assert_frame_equal(found.reset_index(drop=True), wanted.reset_index(drop=True), check_dtype=False)


def test_your_functions_agree_with_pandas(sample: Sample) -> None:
    ran = sample("your-functions.yaml")
    wanted = docs()[lambda d: d.text.str.count("\n") >= 9].text.str.split("\n\n").explode()
    rows = ran.rows()
    assert sorted(row["text"] for row in rows) == sorted(wanted[wanted.str.len() <= 800])
    assert all(row["source"].startswith(f"{row['package']}/") for row in rows)
    assert ran.report.progress.rows_failed == 0
