"""Training formats: `tokenize` compared with its library, `mix` with `shuffle`, and the rate of the sink `megatron`."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import corpus
from benchmarks.figures import Figure, alternate, publish
from datajob.api.datajob import DataJob
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from datajob.formats.megatron import MegatronWriter
from datajob.operators.base import Batch
from datajob.operators.strings.tokenizers import load_literal_tokenizer
from datajob.operators.text.tokenize import Tokenize

VOCABULARY = 20_000
RUNS = 7
TOKENS, DOCUMENT = 40_000_000, 800


def _seconds(call: Any) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _tokenizer(folder: Path, texts: list[str]) -> str:
    """A byte-level tokenizer of the texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)


def tokenize(folder: Path, texts: list[str]) -> Figure:
    """The rate of `tokenize` on one core, compared with the batched rate of the library."""
    path = _tokenizer(folder, texts)
    library, step, table = load_literal_tokenizer(path, "tokenize"), Tokenize(tokenizer=path), pa.table({"text": texts})
    encode = partial(library.encode_batch_fast, texts, add_special_tokens=False)
    size = sum(len(text.encode()) for text in texts) / 1e6
    ours, theirs = alternate(RUNS, lambda: _seconds(lambda: step.apply(Batch(table))), lambda: _seconds(encode))
    return Figure("tokenize", size / ours, "MB/s", "tokenizers, encode_batch_fast", theirs / ours, ">= 0.9x")


def megatron(folder: Path) -> Figure:
    """The rate at which tokens are written, as int32."""
    offsets = pa.array(np.arange(0, TOKENS + 1, DOCUMENT, dtype=np.int32))
    values = pa.array(np.random.default_rng(0).integers(0, 100_000, TOKENS, np.int32))
    table = pa.table({"input_ids": pa.ListArray.from_arrays(offsets, values)})
    writer = MegatronWriter(path=str(folder / "tokens"), vocabulary_size=100_000)

    def write() -> float:
        began = time.perf_counter()
        shard = writer.open(writer.path, "part", table.schema)
        shard.write(table)
        shard.close()
        return time.perf_counter() - began

    (seconds,) = alternate(RUNS, write)
    return Figure("megatron", TOKENS * 4 / 1e6 / seconds, "MB/s", "", None, ">= 150 MB/s")


def mix(folder: Path, texts: list[str]) -> Figure:
    """The duration of a job that mixes two sources, compared with one that shuffles them."""
    for name in ("a", "b"):
        table = pa.table({"id": [f"{name}{i}" for i in range(4 * len(texts))], "text": texts * 4})
        pq.write_table(table, folder / f"{name}.parquet")

    def seconds(step: dict[str, Any]) -> float:
        sources = [{"parquet": {"paths": [str(folder / f"{name}.parquet")], "addColumns": {"source": name}}} for name in "ab"]
        sink = {"parquet": {"path": str(folder / "out"), "mode": "overwrite"}}
        spec = {"sources": sources, "steps": [step], "sink": sink}
        job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "mix"}, "spec": spec}
        began = time.perf_counter()
        run_job(DataJob.model_validate(job), RunOptions(executor="local", fresh=True))
        return time.perf_counter() - began

    mixing = {"mix": {"weights": {"a": 1, "b": 1}, "by": ["id"]}}
    ours, theirs = alternate(RUNS, lambda: seconds(mixing), lambda: seconds({"shuffle": {"by": ["id"]}}))
    return Figure("mix", ours, "s", "shuffle of the same rows", ours / theirs)


def main() -> None:
    """Publish one figure for each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = corpus(100, files=10)
        texts = pq.read_table(sorted(source.glob("*.parquet"))[0], columns=["text"]).column("text").to_pylist()[:5000]
        publish([tokenize(folder, texts), megatron(folder), mix(folder, texts)])


if __name__ == "__main__":
    main()
