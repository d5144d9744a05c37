"""The llava step on a tiny LLaVA-NeXT, by exactly the code that loads the real one; against the plain script."""

import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from datajob.errors import InvalidJob
from datajob.operators.inference.llava import Llava
from datajob.operators.inference.vision_language import VisionLanguage
from tests.operators.inference.conftest import Ask
from tests.support.crashing_images import CRASH, CrashingDecoding
from tests.support.models.photos import jpeg, photo

QUESTION = "描述这张图片的内容"
COUNT = 24
TOKENS = 12
Script = Callable[..., str]


@pytest.fixture(scope="module")
def script(tiny: Path) -> Script:
    """One call of generate per image, as in the documentation of the model."""
    import torch
    from transformers import LlavaNextForConditionalGeneration, LlavaNextProcessor

    processor = LlavaNextProcessor.from_pretrained(tiny)
    model = LlavaNextForConditionalGeneration.from_pretrained(tiny, dtype=torch.float32).eval()

    def answer(*images: Image.Image, question: str = QUESTION, system: str | None = None) -> str:
        content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
        chat: list[Any] = [{"role": "user", "content": content}]
        if system:
            chat.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        text = processor.apply_chat_template(chat, add_generation_prompt=True)
        inputs = processor(images=list(images), text=text, return_tensors="pt")
        with torch.inference_mode():
            made = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        return str(processor.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))

    return answer


def step(tiny: Path, **more: Any) -> Llava:
    return Llava(model=str(tiny), max_new_tokens=TOKENS, **more)


def texts(rows: list[dict[str, Any]], column: str = "caption") -> list[str]:
    return [row[column] for row in rows]


@pytest.fixture(scope="module")
def alone(script: Script) -> list[str]:
    """What the script says of each photo."""
    return [script(Image.open(io.BytesIO(jpeg(i)))) for i in range(COUNT)]


@pytest.mark.parametrize("rows", [1, 4, 8, 24])
def test_a_batch_of_mixed_sizes_gives_the_texts_of_one_by_one(tiny: Path, ask: Ask, alone: list[str], rows: int) -> None:
    found, failed = ask(step(tiny, batch_rows=rows), [{"image": jpeg(i)} for i in range(COUNT)])
    assert not failed
    assert texts(found) == alone
    assert len(set(alone)) > COUNT // 2, "the model should say something else of most photos"


def test_a_small_budget_of_tokens_changes_no_text(tiny: Path, ask: Ask, alone: list[str]) -> None:
    found, _ = ask(step(tiny, batch_tokens=300), [{"image": jpeg(i)} for i in range(COUNT)])
    assert texts(found) == alone


def test_only_the_row_of_a_broken_image_fails(tiny: Path, ask: Ask, alone: list[str]) -> None:
    rows: list[dict[str, Any]] = [{"image": jpeg(i)} for i in range(8)]
    rows[2] = {"image": jpeg(2)[:200]}
    rows[3] = {"image": None}
    rows[5] = {"image": b"<html>not found</html>"}
    found, failed = ask(step(tiny), rows)
    assert sorted(failed) == [2, 3, 5]
    assert "cannot be decoded" in failed[2] and "no image" in failed[3] and "notAnImage" in failed[5]
    good = [i for i in range(8) if i not in failed]
    assert [texts(found)[i] for i in good] == [alone[i] for i in good]


def test_an_image_that_crashes_its_decoder_costs_only_its_row(
    tiny: Path, ask: Ask, alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datajob.operators.media.image._Decoding", CrashingDecoding)
    found, failed = ask(step(tiny), [{"image": jpeg(n) + (CRASH if n == 3 else b"")} for n in range(8)])
    assert {row: reason.split(":")[0] for row, reason in failed.items()} == {3: "decoderCrashed"}
    assert [texts(found)[n] for n in range(8) if n != 3] == [alone[n] for n in range(8) if n != 3]


def test_several_images_system_prompt_and_template_are_those_of_the_script(tiny: Path, ask: Ask, script: Script) -> None:
    rows = [{"images": [jpeg(i), jpeg(i + 1)], "what": f"thing {i}"} for i in range(4)]
    model = VisionLanguage(
        model=str(tiny), image="images", prompt="find {what} in both", system="Be brief.", max_new_tokens=TOKENS
    )
    found, failed = ask(model, rows)
    assert not failed
    opened = [Image.open(io.BytesIO(jpeg(i))) for i in range(5)]
    assert texts(found, "answer") == [
        script(opened[i], opened[i + 1], question=f"find thing {i} in both", system="Be brief.") for i in range(4)
    ]


@pytest.mark.parametrize("chat", [True, False])
def test_a_first_token_of_the_template_is_not_added_again(beginning: Path, chat: bool) -> None:
    from datajob.operators.base import Device
    from datajob.operators.inference._engines.base import Request
    from datajob.operators.inference._engines.generating import Generator

    generator = Generator(step(beginning).settings(), Device("cpu", 1))
    asked = Request("what?" if chat else "<image>\nwhat?", step(beginning, chat_template=chat).options(), (jpeg(0),))
    tokens = generator.prepare([asked])[0]["input_ids"][0].tolist()
    first = generator.processor.tokenizer.bos_token_id
    assert tokens[0] == first and tokens.count(first) == 1


def test_a_system_prompt_does_not_drop_the_image(tiny: Path, ask: Ask) -> None:
    found, _ = ask(step(tiny, system="You see pictures."), [{"image": jpeg(i)} for i in range(6)])
    assert len(set(texts(found))) > 3


def test_images_of_every_kind_of_column_have_the_same_answer(tiny: Path, ask: Ask, tmp_path: Path, alone: list[str]) -> None:
    import numpy as np

    (tmp_path / "a.jpg").write_bytes(jpeg(0))
    pixels = np.asarray(Image.open(io.BytesIO(jpeg(0))))
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack([pixels, pixels])).slice(1)
    columns = [
        pa.array([jpeg(0)]),
        pa.array([str(tmp_path / "a.jpg")]),
        pa.array(["a.jpg"]),
        pa.array([{"bytes": jpeg(0), "path": "gone.jpg"}]),
        pa.array([[jpeg(0)]]),
        pa.array([pixels.tolist()], pa.list_(pa.list_(pa.list_(pa.uint8())))),
        tensor,
    ]
    for column in columns:
        found, failed = ask(step(tiny, image_folder=str(tmp_path)), pa.table({"image": column}))
        assert (failed, texts(found)) == ({}, alone[:1]), column.type


def test_an_image_of_four_hundred_million_pixels_is_rejected_by_its_header(tiny: Path, ask: Ask, alone: list[str]) -> None:
    stream = io.BytesIO()
    Image.new("L", (20_000, 20_000)).save(stream, "PNG")
    found, failed = ask(step(tiny), [{"image": stream.getvalue()}, {"image": jpeg(0)}])
    assert failed == {0: "tooManyPixels: the image has 20000 x 20000 pixels; `maxPixels` allows 100,000,000"}
    assert texts(found)[1] == alone[0]


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (2000, 10)])
def test_images_of_any_shape_are_answered(tiny: Path, ask: Ask, script: Script, size: tuple[int, int]) -> None:
    stream = io.BytesIO()
    photo(1, size).save(stream, "PNG")
    found, failed = ask(step(tiny), [{"image": stream.getvalue()}])
    assert not failed
    assert texts(found) == [script(photo(1, size))]


def test_a_truncated_answer_has_the_finish_reason_length(tiny: Path, ask: Ask) -> None:
    model = step(tiny, finish_reason_column="why", tokens_column="tokens", seconds_column="seconds")
    found, _ = ask(model, [{"image": jpeg(0)}])
    assert found[0]["why"] == "length"
    assert found[0]["tokens"] == TOKENS
    assert found[0]["seconds"] > 0


def test_sampled_answers_depend_on_the_seed_and_not_on_the_batch(tiny: Path, ask: Ask) -> None:
    rows = [{"image": jpeg(i)} for i in range(8)]
    sampled = {"temperature": 1.5, "top_p": 0.9, "top_k": 100}
    together, _ = ask(step(tiny, seed=1, **sampled), rows)
    single, _ = ask(step(tiny, seed=1, batch_rows=1, **sampled), rows[::-1])
    other, _ = ask(step(tiny, seed=2, **sampled), rows)
    assert texts(together) == texts(single)[::-1]
    assert texts(together) != texts(other)


ROWS_AT_FAULT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no prompt": ({"prompt": "{ask}"}, {"ask": " "}, "the prompt is empty"),
    "a placeholder too many": ({"prompt": "{ask}"}, {"ask": "what is <image>?"}, "2 placeholders for images .* 1 image"),
    "no placeholder": ({"prompt": "what is it?", "chat_template": False}, {}, "no placeholder for the image: write <image>"),
    "too many pixels": ({"max_pixels": 100}, {}, "640 x 480 pixels; `maxPixels` allows 100"),
    "too long": ({"prompt": "{ask}"}, {"ask": "word " * 9000}, "but the model supports 8192"),
}


@pytest.mark.parametrize("case", ROWS_AT_FAULT)
def test_a_row_without_a_valid_request_has_a_clear_reason(tiny: Path, ask: Ask, case: str) -> None:
    import re

    parameters, more, reason = ROWS_AT_FAULT[case]
    _, failed = ask(step(tiny, **parameters), [{"image": jpeg(0), **more}])
    assert re.search(reason, failed[0])


def test_a_missing_model_or_one_of_another_kind_is_an_error_before_any_row(tiny: Path, llama: Path, tmp_path: Path) -> None:
    from datajob.operators.base import Device

    cases = {
        str(tmp_path / "nowhere"): "does not exist.*a folder that every worker can access",
        str(tmp_path): "does not contain a model .no config.json",
        str(llama): "is a llama model, but this step needs a llava_next model .*`textGeneration`",
    }
    for model, reason in cases.items():
        with pytest.raises(InvalidJob, match=reason):
            Llava(model=model).setup(Device("cpu"))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("gpu", "placed on a GPU.*finds none.*CUDA_VISIBLE_DEVICES"), ("npu", "Ascend NPU.*torch_npu is not installed")],
)
def test_a_missing_device_is_a_clear_error(tiny: Path, kind: Any, reason: str) -> None:
    import torch

    from datajob.operators.base import Device

    if kind == "gpu" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InvalidJob, match=reason):
        step(tiny).setup(Device(kind, 1))


EQUAL: dict[str, dict[str, Any]] = {
    "eager attention": {"attention": "eager"},
    "sdpa attention": {"attention": "sdpa"},
    "a static cache": {"static_cache": True},
}


@pytest.mark.parametrize("case", EQUAL)
def test_attention_and_cache_change_no_text(tiny: Path, ask: Ask, alone: list[str], case: str) -> None:
    found, failed = ask(step(tiny, **EQUAL[case]), [{"image": jpeg(i)} for i in range(COUNT)])
    assert (failed, texts(found)) == ({}, alone)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_16_bit_weights_run_on_the_cpu(tiny: Path, ask: Ask, alone: list[str], kind: Any) -> None:
    from datajob.operators.base import Device

    model = step(tiny, dtype=kind)
    found, failed = ask(model, [{"image": jpeg(i)} for i in range(COUNT)])
    same = sum(a == b for a, b in zip(texts(found), alone, strict=True))
    assert not failed and same >= COUNT // 2, "ties aside, the texts are those of float32"
    engine = model.setup(Device("cpu", 1))
    engine.close()
    assert f"{kind} on cpu" in engine.description and "packed" not in engine.description


NOT_HERE: dict[str, tuple[dict[str, Any], str]] = {
    "flash attention without its package": (
        {"attention": "flash_attention_2"},
        "a Python package that is not installed: Flash",
    ),
    "8 bits without a GPU": (
        {"quantization": "int8"},
        "`quantization: int8` needs a GPU and the Python package",
    ),
    "4 bits without a GPU": (
        {"quantization": "int4"},
        "`quantization: int4` needs a GPU and the Python package",
    ),
    "vLLM without its package": ({"engine": "vllm"}, "`engine: vllm` needs the Python package `vllm`"),
    "Ascend without an NPU": ({"engine": "ascend"}, "`engine: ascend` requires `spec.resources.accelerator` of type npu"),
}


@pytest.mark.parametrize("case", NOT_HERE)
def test_what_cannot_run_here_is_one_sentence_before_any_row(tiny: Path, case: str) -> None:
    from datajob.operators.base import Device

    if (case.startswith("flash") and find_spec("flash_attn")) or (case.startswith("vLLM") and find_spec("vllm")):
        pytest.skip("the package is installed")
    parameters, reason = NOT_HERE[case]
    with pytest.raises(InvalidJob, match=reason):
        step(tiny, **parameters).setup(Device("cpu", 1))


def test_a_model_can_be_in_the_home_folder(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.base import Device

    monkeypatch.setenv("HOME", str(tiny.parent))
    engine = step(Path("~") / tiny.name).setup(Device("cpu", 1))
    assert str(tiny) in engine.description
    engine.close()


def test_the_description_contains_engine_model_type_and_device(tiny: Path) -> None:
    from datajob.operators.base import Device

    engine = step(tiny).setup(Device("cpu", 1))
    assert f"transformers {__import__('transformers').__version__}: {tiny} at local, float32 on cpu" in engine.description
    engine.close()
