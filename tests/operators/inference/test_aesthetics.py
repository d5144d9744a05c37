"""aesthetics applies a head in the form of LAION to CLIP embeddings."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from datajob.errors import InvalidJob
from datajob.operators.inference.aesthetics import Aesthetics
from tests.operators.inference.conftest import Ask
from tests.support.models.images import EMBEDDING, make_head
from tests.support.models.plain_images import image_embedding, pictures

ROWS = [{"image": data} for data in pictures().values()]


@pytest.mark.parametrize("name", ["head.pth", "head.safetensors"])
def test_scores_are_those_of_the_head_on_the_embedding(name: str, clip: Path, ask: Ask, tmp_path: Path) -> None:
    import torch

    head = make_head(tmp_path / name)
    found, failed = ask(Aesthetics(model=str(clip), head=str(tmp_path / name), output="score"), ROWS)
    assert not failed
    for picture, row in zip(pictures(), found, strict=True):
        with torch.inference_mode():
            expected = float(head.layers(torch.from_numpy(image_embedding(clip, pictures()[picture]))[None])[0, 0])
        assert row["score"] == pytest.approx(expected, abs=0.02 * (1 + abs(expected))), picture


def test_a_linear_head_and_an_activation_are_supported(clip: Path, ask: Ask, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    linear = torch.nn.Linear(EMBEDDING, 1)
    torch.save(linear.state_dict(), tmp_path / "sa_0_4_linear.pth")
    (row,), _ = ask(Aesthetics(model=str(clip), head=str(tmp_path / "sa_0_4_linear.pth"), output="score"), ROWS[:1])
    vector = torch.from_numpy(image_embedding(clip, ROWS[0]["image"]))
    assert row["score"] == pytest.approx(float(linear(vector).detach()), abs=0.02)
    head = make_head(tmp_path / "relu.pth")
    (row,), _ = ask(Aesthetics(model=str(clip), head=str(tmp_path / "relu.pth"), activation="relu", output="score"), ROWS[:1])
    found = vector
    linears = [module for module in head.layers if isinstance(module, torch.nn.Linear)]
    for module in linears[:-1]:
        found = torch.relu(module(found))
    expected = float(linears[-1](found).detach())
    assert row["score"] == pytest.approx(expected, abs=0.02 * (1 + abs(expected)))


class Malicious:
    def __reduce__(self) -> Any:
        return print, ("executed",)


def test_other_files_are_refused_and_no_code_in_them_runs(
    clip: Path, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_head(tmp_path / "small.pth", (8, 1))
    make_head(tmp_path / "many.pth", (EMBEDDING, 2))
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "bad.pth").write_bytes(pickle.dumps({"layers.0.weight": Malicious()}))
    cases = {
        "small.pth": "expects embeddings of 8 numbers",
        "many.pth": "not a chain of linear layers with one output",
        "text.pth": "cannot be loaded",
        "bad.pth": "cannot be loaded",
        "missing.pth": "does not exist",
    }
    for name, message in cases.items():
        with pytest.raises(InvalidJob, match=message):
            ask(Aesthetics(model=str(clip), head=str(tmp_path / name)), ROWS[:1])
    assert "executed" not in capsys.readouterr().out


def test_the_default_limit_is_on_the_scale_of_laion() -> None:
    [bound] = Aesthetics().bounds()
    assert (bound.measure, bound.limit, bound.is_minimum) == ("aesthetics", 5.0, True)
