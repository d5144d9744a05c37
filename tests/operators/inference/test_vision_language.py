"""visionLanguage prompts a model about images; `test_llava.py` runs a real one."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from datajob.operators.inference.vision_language import VisionLanguage
from tests.operators.inference.conftest import Ask
from tests.support.crashing_images import CRASH, CrashingDecoding
from tests.support.models.photos import jpeg


def step(**parameters: object) -> VisionLanguage:
    return VisionLanguage.model_validate({"model": "none", "engine": "fake", "prompt": "What is this?", **parameters})


def test_an_image_is_bytes_a_path_or_a_list_of_both(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(0))
    (encoded,), failed = ask(step(), [{"image": jpeg(0)}])
    (path,), _ = ask(step(image_folder=str(tmp_path)), [{"image": "a.jpg"}])
    (several,), _ = ask(step(), [{"image": [jpeg(0), jpeg(1)]}])
    assert not failed
    assert encoded == path != several


def test_only_the_row_of_a_broken_or_large_image_fails(ask: Ask) -> None:
    rows = [{"image": jpeg(0)}, {"image": b"broken"}, {"image": None}]
    found, failed = ask(step(output="said"), rows)
    assert len(found) == 3 and found[0]["said"].startswith("What is this? ")
    assert sorted(failed) == [1, 2]
    assert "cannot be decoded" in failed[1]
    assert "the row has no image" in failed[2]
    _, failed = ask(step(max_pixels=10), rows[:1])
    assert "`maxPixels` allows 10" in failed[0]


def test_an_image_that_crashes_its_decoder_costs_only_its_row(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = ask(step(), [{"image": jpeg(n)} for n in range(6)])
    monkeypatch.setattr("datajob.operators.media.image._Decoding", CrashingDecoding)
    found, failed = ask(step(), [{"image": jpeg(n) + (CRASH if n in (1, 4) else b"")} for n in range(6)])
    assert {row: reason.split(":")[0] for row, reason in failed.items()} == {1: "decoderCrashed", 4: "decoderCrashed"}
    assert [found[n] for n in range(6) if n not in failed] == [expected[n] for n in range(6) if n not in failed]


def test_the_prompt_must_name_columns_between_braces() -> None:
    with pytest.raises(ValidationError, match="braces must enclose the name of a column"):
        step(prompt="What is {}?")
    assert step(prompt="What is the {thing}?").inputs() == ("image", "thing")
