"""imageEmbed computes the embeddings of transformers, and what all steps with models of images share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datajob.errors import InputError, InvalidJob, plain
from datajob.operators.base import Batch, Device
from datajob.operators.inference._engines.pixels import plan_of
from datajob.operators.inference.aesthetics import Aesthetics
from datajob.operators.inference.image_embed import ImageEmbed
from tests.operators.inference.conftest import Ask
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.models.fixtures import needs_torch
from tests.support.models.plain_images import image_embedding, pictures
from tests.support.pictures import photo_bytes

TOLERANCE = 0.02
"""Of a number of an embedding: resampling rounds differently in a few pixels."""


@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2"])
def test_embeddings_are_those_of_transformers(kind: str, ask: Ask, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    found, failed = ask(ImageEmbed(model=str(folder)), [{"image": data} for data in pictures().values()])
    assert not failed
    for name, row in zip(pictures(), found, strict=True):
        vector = np.array(row["embedding"], np.float32)
        np.testing.assert_allclose(vector, image_embedding(folder, pictures()[name]), atol=TOLERANCE, err_msg=name)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_embeddings_do_not_depend_on_the_batch(clip: Path, ask: Ask) -> None:
    rows = [{"image": data} for data in pictures().values()] * 8
    alone, _ = ask(ImageEmbed(model=str(clip), batch_rows=1), rows)
    together, _ = ask(ImageEmbed(model=str(clip), batch_rows=64), rows)
    np.testing.assert_allclose([r["embedding"] for r in alone], [r["embedding"] for r in together], atol=1e-5)


def test_images_that_cannot_be_decoded_fail_their_rows(clip: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo_bytes("china"))
    values: list[Any] = ["a.jpg", "missing.jpg", None]
    found, failed = ask(ImageEmbed(model=str(clip), folder=str(tmp_path)), [{"image": value} for value in values])
    assert found[0]["embedding"] is not None
    assert {row: plain(reason).split(":")[0] for row, reason in failed.items()} == {1: "notFound", 2: "noMedia"}
    broken = [b"", b"text", photo_bytes("china")[:9000], photo_bytes("china")]
    _, failed = ask(ImageEmbed(model=str(clip)), [{"image": value} for value in broken])
    assert [plain(failed[row]).split(":")[0] for row in sorted(failed)] == ["empty", "notAnImage", "truncated"]
    _, failed = ask(ImageEmbed(model=str(clip), max_pixels=1000), [{"image": photo_bytes("china")}])
    assert "tooManyPixels" in failed[0]


def test_a_limit_of_pixels_also_applies_to_images_that_the_model_has_processed(clip: Path, ask: Ask) -> None:
    rows = [{"image": photo_bytes("face")}]
    assert not ask(ImageEmbed(model=str(clip)), rows)[1]
    assert "tooManyPixels" in ask(ImageEmbed(model=str(clip), max_pixels=1000), rows)[1][0]


def test_a_list_of_images_has_a_list_of_embeddings(clip: Path, ask: Ask) -> None:
    china, face = photo_bytes("china"), photo_bytes("face")
    images = pa.array([[china, None, face], [], None, [china, b"broken"]], pa.list_(pa.binary()))
    found, failed = ask(ImageEmbed(model=str(clip)), pa.table({"image": images}))
    single, _ = ask(ImageEmbed(model=str(clip)), [{"image": china}, {"image": face}])
    assert found[0]["embedding"] == [single[0]["embedding"], None, single[1]["embedding"]]
    assert found[1]["embedding"] == found[2]["embedding"] == []
    assert list(failed) == [3]


def test_steps_with_the_same_model_compute_an_embedding_once(clip: Path) -> None:
    first, second = ImageEmbed(model=str(clip)), Aesthetics(model=str(clip))
    assert first.loads() == second.loads()
    model = first.setup(Device("cpu", 1))
    batch = Batch(pa.table({"image": list(pictures().values())}))
    first.infer(batch, model)
    submitted: list[Any] = []
    submit = model.submit
    model.submit = lambda requests: submitted.extend(requests) or submit(requests)  # type: ignore[method-assign, func-returns-value]
    again = first.infer(batch, model)
    assert not submitted
    assert again.reused == 0, "only the outputs of an earlier attempt count as reused"


def test_prepared_rows_have_the_same_embeddings(clip: Path) -> None:
    step = ImageEmbed(model=str(clip))
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    values = [{"bytes": data, "path": name} for name, data in pictures().items()]
    for column in (
        pa.array(list(pictures().values())),
        pa.array([*values, {"bytes": None, "path": None}, None], struct),
        pa.array([values[:2], [], None, [None, values[3]]], pa.list_(struct)),
    ):
        model = step.setup(Device("cpu", 1))
        batch = Batch(pa.table({"image": column, "id": range(len(column))}))
        prepared = Batch(step.prepare(batch, model.preparation))
        assert prepared.table.schema == batch.table.schema
        found, expected = step.infer(prepared, model), step.infer(batch, step.setup(Device("cpu", 1)))
        assert set(found.failed) == set(expected.failed)
        assert found.columns["embedding"].equals(expected.columns["embedding"])
        model.close()


def test_embeddings_find_similar_images(clip: Path, tmp_path: Path) -> None:
    china, face = photo_bytes("china"), photo_bytes("face")
    write_parts(tmp_path / "in", [{"id": i, "image": data} for i, data in enumerate([china, face, china])], 2)
    steps = [{"imageEmbed": {"model": str(clip)}}, {"semanticDedup": {"threshold": 0.99999}}, {"drop": {"columns": ["image"]}}]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps))
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [0, 1]
    assert "float32" in report.workers[0].models[0]


def test_other_models_and_columns_are_refused(llama: Path, classifier: Path, clip: Path, ask: Ask) -> None:
    with pytest.raises(InvalidJob, match="does not exist"):
        ImageEmbed(model="./nowhere").setup(Device("cpu", 1))
    with pytest.raises(InvalidJob, match=r"cannot be loaded|no embedding of images"):
        ImageEmbed(model=str(llama)).setup(Device("cpu", 1))
    with pytest.raises(InputError, match="contains int64"):
        ask(ImageEmbed(model=str(clip)), [{"image": 5}])
    vit = ImageEmbed(model=str(classifier)).setup(Device("cpu", 1))
    assert "float32" in vit.description, "the class token of a classifier is an embedding"


def test_unknown_image_processors_receive_whole_images() -> None:
    needs_torch()
    from transformers import CLIPImageProcessor, ConvNextImageProcessor, SiglipImageProcessor

    class Flipped(SiglipImageProcessor):  # type: ignore[misc]
        def resize(self, image: Any, *args: Any, **kwargs: Any) -> Any:
            return super().resize(image, *args, **kwargs).flip(-1)

    assert plan_of(CLIPImageProcessor()) is not None
    assert plan_of(SiglipImageProcessor()) is not None
    assert plan_of(Flipped()) is None
    assert plan_of(ConvNextImageProcessor(size={"shortest_edge": 224})) is None
