"""tokenize gives the ids that the tokenizers library gives, and masks of conversations."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.operators.base import Batch
from datajob.operators.text.tokenize import Tokenize
from tests.support.texts import batch_of

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer with special tokens and a chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["the cat sat on the mat", "the dog sat on the log"], trainer)
    special = ["<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.enable_truncation(4)  # a file can contain it
    tokenizer.enable_padding(length=8)
    made = tmp_path_factory.mktemp("chat")
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE, "eos_token": {"content": "<|end|>"}}))
    return made


def reference(folder: Path):
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def test_ids_are_those_of_the_library_without_limits_of_the_file(folder: Path) -> None:
    rows = ["the cat sat on the mat and the dog sat on the log", "", None, "caf\u00e9 \U0001f600"]
    table = Tokenize(tokenizer=str(folder), eos="<|end|>", bos="<|begin|>").apply(batch_of(*rows))
    tokenizer = reference(folder)
    begin, end = tokenizer.token_to_id("<|begin|>"), tokenizer.token_to_id("<|end|>")
    expected = [None if row is None else [begin, *tokenizer.encode(row).ids, end] for row in rows]
    assert table.column("input_ids").to_pylist() == expected
    assert table.schema.field("input_ids").type == pa.list_(pa.int32())


def test_texts_are_encoded_in_slices(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["to be " * 9, None, "", "or not", "x" * 50, "to be", None]
    whole = Tokenize(tokenizer=str(folder)).apply(batch_of(*texts)).column("input_ids")
    for size in (1, 8, 60, 1000):
        monkeypatch.setattr("datajob.operators.text.tokenize.SLICE_BYTES", size)
        assert Tokenize(tokenizer=str(folder)).apply(batch_of(*texts)).column("input_ids").to_pylist() == whole.to_pylist()


def test_a_special_token_in_a_text_is_text_unless_requested(folder: Path) -> None:
    end = reference(folder).token_to_id("<|end|>")
    as_text = Tokenize(tokenizer=str(folder)).apply(batch_of("a<|end|>b")).column("input_ids").to_pylist()[0]
    as_token = Tokenize(tokenizer=str(folder), special_tokens="tokens").apply(batch_of("a<|end|>b"))
    assert end not in as_text and reference(folder).decode(as_text) == "a<|end|>b"
    assert end in as_token.column("input_ids").to_pylist()[0]


def test_an_empty_table_and_a_missing_token(folder: Path) -> None:
    assert Tokenize(tokenizer=str(folder)).apply(batch_of()).column("input_ids").to_pylist() == []
    with pytest.raises(InputError, match="no token `</s>`"):
        Tokenize(tokenizer=str(folder), eos="</s>").apply(batch_of("a"))


def conversations(*rows) -> Batch:
    kind = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
    return Batch(pa.table({"messages": pa.array(rows, kind)}))


def message(role: str, content: str | None) -> dict:
    return {"role": role, "content": content}


def test_the_mask_covers_what_the_assistant_writes_and_its_end_of_turn(folder: Path) -> None:
    talk = [message("system", "sit"), message("user", "the cat"), message("assistant", "sat"), message("user", "on"),
            message("assistant", "the mat")]  # fmt: skip
    table = Tokenize(tokenizer=str(folder), messages="messages", loss_mask="mask").apply(conversations(talk, None))
    (ids, none), (mask, no_mask) = (table.column(name).to_pylist() for name in ("input_ids", "mask"))
    assert none is None and no_mask is None and len(ids) == len(mask)
    tokenizer = reference(folder)
    written = tokenizer.decode([i for i, m in zip(ids, mask, strict=True) if m], skip_special_tokens=False)
    assert written == "sat<|end|>\nthe mat<|end|>\n"
    whole = "".join(f"<|{m['role']}|>\n{m['content']}<|end|>\n" for m in talk)
    assert ids == tokenizer.encode(whole, add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        ([message("user", "a<|end|>")], "specialToken: a message contains the special token <|end|>"),
        ([message("user", None)], "invalidMessage: the content of a message is not a text"),
        ([message(None, "a")], "invalidMessage: a message has no role"),
        ([None], "invalidMessage: a message has no role"),
        ([], "emptyConversation: there are no messages"),
    ],
)
def test_a_conversation_that_cannot_be_encoded_exactly_fails(folder: Path, talk, reason: str) -> None:
    batch = conversations([message("user", "a")], talk)
    Tokenize(tokenizer=str(folder), messages="messages").apply(batch)
    assert batch.failures == {1: reason}


def test_a_template_that_changes_earlier_messages_or_refuses_fails_the_row(folder: Path, tmp_path: Path) -> None:
    talk = [message("user", "a"), message("assistant", "b"), message("user", "c")]
    for text, reason in (
        ("{{ messages|length }}{% for m in messages %}{{ m.content }}{% endfor %}", "templateChangesHistory"),
        ("{{ raise_exception('roles must alternate') }}", "templateRefuses: roles must alternate"),
        ("{{ messages.__class__.__mro__ }}", "templateRefuses"),
    ):
        template = tmp_path / f"{len(text)}.jinja"
        template.write_text(text)
        batch = conversations(talk)
        Tokenize(tokenizer=str(folder), messages="messages", loss_mask="m", chat_template=str(template)).apply(batch)
        assert batch.failures[0].startswith(reason)


def test_a_tokenizer_without_a_template_is_refused(tokenizer_path: str) -> None:
    with pytest.raises(InputError, match="has no chat template"):
        Tokenize(tokenizer=tokenizer_path, messages="messages").apply(conversations([message("user", "a")]))


def test_the_chat_template_is_part_of_the_identity(folder: Path) -> None:
    step = Tokenize(tokenizer=str(folder), messages="messages")
    before = step.identity()
    settings = folder / "tokenizer_config.json"
    kept = settings.read_text()
    settings.write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert step.identity() != before
    settings.write_text(kept)
    assert step.identity() == before
