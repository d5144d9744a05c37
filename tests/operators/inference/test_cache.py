"""The cache that grows in place, against the one of transformers."""

import random
from pathlib import Path
from typing import Any

import pytest

from datajob.operators.base import Device
from datajob.operators.inference.llava import Llava
from tests.support.models.photos import jpeg

pytest.importorskip("torch", reason="runs a real model; not installed: torch (pip install 'datajob[llava]')")

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from datajob.operators.inference._engines.base import Request
from datajob.operators.inference._engines.cache import STEP, GrowingLayer, growing_cache
from datajob.operators.inference._engines.generating import Generator
from datajob.operators.inference._engines.running_batch import without_gaps

SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 64}


@pytest.mark.parametrize("seed", range(8))
def test_it_holds_what_the_dynamic_layer_holds(seed: int) -> None:
    chance = random.Random(seed)
    rows, heads, size = chance.randint(1, 3), chance.randint(1, 3), chance.choice((4, 8))
    ours, theirs = GrowingLayer(), DynamicLayer()
    for _ in range(chance.randint(1, 400)):
        tokens = chance.choice((1, 1, 1, 1, chance.randint(1, 2 * STEP)))
        keys, values = (torch.randn(rows, heads, tokens, size) for _ in range(2))
        for own, other in zip(ours.update(keys, values), theirs.update(keys, values), strict=True):
            assert torch.equal(own, other)
        assert ours.get_seq_length() == theirs.get_seq_length()
        assert ours.get_mask_sizes(1) == theirs.get_mask_sizes(1)


def test_a_copy_is_made_once_in_many_tokens() -> None:
    layer, places = GrowingLayer(), []
    for _ in range(2 * STEP):
        layer.update(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4))
        places.append(layer.keys.data_ptr())
    assert len(set(places)) <= 2


def test_long_answers_equal_those_without_the_cache(tiny: Path) -> None:
    step = Llava(model=str(tiny), max_new_tokens=2 * STEP + 10)
    generator = Generator(step.settings(), Device("cpu", 1))
    requests = [Request("what is this?", step.options(), (jpeg(i),)) for i in range(5)]
    inputs, errors = generator.prepare(requests)
    assert not errors
    with torch.inference_mode():
        plain = generator.model.generate(**inputs, max_new_tokens=2 * STEP + 10, do_sample=False)
    new = plain[:, inputs["input_ids"].shape[1] :]
    texts = generator.processor.tokenizer.batch_decode(new, skip_special_tokens=True)
    answers = generator.answer(requests, inputs)
    assert [answer.text for answer in answers] == texts
    assert len(set(texts)) > 1 and {answer.tokens for answer in answers} == {2 * STEP + 10}


def test_layers_of_another_kind_and_caches_of_the_models_own_stay() -> None:
    sliding: Any = MistralForCausalLM(MistralConfig(**SMALL, num_key_value_heads=1, sliding_window=8))
    made = growing_cache(sliding)
    assert made is not None and {type(layer) for layer in made.layers} == {DynamicSlidingWindowLayer}
    plain: Any = LlamaForCausalLM(LlamaConfig(**SMALL))
    made = growing_cache(plain)
    assert made is not None and {type(layer) for layer in made.layers} == {GrowingLayer}
    plain.generation_config.cache_implementation = "static"
    assert growing_cache(plain) is None


def test_rows_that_join_and_leave_keep_their_tokens() -> None:
    chance = random.Random(20_261_127)
    layer: GrowingLayer | None = None
    rows: list[list[float]] = []
    for _ in range(300):
        if layer is None or chance.random() < 0.3:
            added, length, new = chance.randint(1, 4), chance.randint(1, 90), GrowingLayer()
            values = torch.rand(added, 1, length, 2) + 1
            new.update(values, -values)
            if layer is None:
                layer = new
            else:
                layer.join(new)
            rows += [row[0, :, 0].tolist() for row in values]
        elif chance.random() < 0.5:
            kept = sorted(chance.sample(range(len(rows)), chance.randint(1, len(rows))))
            order = without_gaps(kept)
            rows = [rows[i] for i in order]
            layer.select(order, layer.get_seq_length() - max(map(len, rows)))
        else:
            values = torch.rand(len(rows), 1, 1, 2) + 1
            layer.update(values, -values)
            for row, value in zip(rows, values, strict=True):
                row.append(value[0, 0, 0].item())
        length = layer.get_seq_length()
        assert length == max(map(len, rows))
        expected = torch.tensor([[0.0] * (length - len(row)) + row for row in rows])
        assert torch.equal(layer.keys[:, 0, :, 0], expected)
        assert torch.equal(layer.values, -layer.keys)
