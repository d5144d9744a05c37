"""textGeneration prompts a language model."""

from pathlib import Path

import pytest

from datajob.operators.inference.text_generation import TextGeneration
from tests.operators.inference.conftest import Ask

TEXTS = ["a", "the quick brown fox", "statements and expressions " * 20, "for in range", "x"] * 3


def test_each_row_has_the_answer_to_its_prompt(ask: Ask) -> None:
    step = TextGeneration(model="none", engine="fake", prompt="Say {text}{{!}}", output="said", tokens_column="tokens")
    found, failed = ask(step, [{"text": "a"}, {"text": None}])
    assert not failed
    assert [(row["said"].split()[:2], row["tokens"]) for row in found] == [(["Say", "a{!}"], 1), (["Say", "{!}"], 1)]


def test_texts_of_mixed_length_are_answered_as_one_by_one(llama: Path, ask: Ask) -> None:
    rows = [{"text": t} for t in TEXTS]
    answers = []
    for size in (1, 8):
        found, failed = ask(TextGeneration(model=str(llama), prompt="go on: {text}", max_new_tokens=10, batch_rows=size), rows)
        assert not failed
        answers.append([row["answer"] for row in found])
    assert answers[0] == answers[1]
    assert len(set(answers[0])) == len(set(TEXTS))


def test_answers_are_those_of_the_plain_script(llama: Path, ask: Ask) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(llama), AutoModelForCausalLM.from_pretrained(llama)
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "go on: a"}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        made = model.generate(**inputs, max_new_tokens=10, do_sample=False)
    expected = tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    step = TextGeneration(model=str(llama), prompt="go on: {text}", system="Be brief.", max_new_tokens=10)
    found, _ = ask(step, [{"text": "a"}])
    assert found[0]["answer"] == expected


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_whose_scores_are_nan_fails_instead_of_getting_an_arbitrary_answer(
    llama: Path, ask: Ask, tmp_path: Path, temperature: float
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(llama), AutoModelForCausalLM.from_pretrained(llama)
    model.get_input_embeddings().weight.data[tokenizer.encode("numpy", add_special_tokens=False)] = float("nan")
    assert not model.config.tie_word_embeddings
    tokenizer.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    step = TextGeneration(model=str(tmp_path), prompt="{text}", max_new_tokens=5, temperature=temperature)
    found, failed = ask(step, [{"text": text} for text in ("def", "numpy", "return")])
    assert sorted(failed) == [1] and "the model computed NaN or infinity for the next token" in failed[1]
    assert found[0]["answer"] and found[2]["answer"]
