"""How often the text rules agree with datatrove: the decision, the first reason, and the text after C4.

    uv run --with datatrove==0.10.1 python -m benchmarks.text_parity CORPUS [--rows N] [--language en] [--tokenizer unicode]

CORPUS is a folder of Parquet files with a column `text`. With `whitespace`, both sides split words like `str.split`. With
`unicode`, the default of this project is compared with the default of datatrove (the English tokenizer of spaCy). Prints one
JSON line per rule set, followed by each class of differences with its frequency and an example.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from datajob.operators.base import Batch, Filter
from datajob.operators.text.c4_quality import C4Quality
from datajob.operators.text.fineweb_quality import FinewebQuality
from datajob.operators.text.gopher_quality import GopherQuality
from datajob.operators.text.gopher_repetition import GopherRepetition

Decision = tuple[str, str | None]
"""The reason for the rejection ("" if kept) and, for C4, the remaining text."""


def whitespace_tokenizer() -> Any:
    """datatrove's WhitespaceTokenizer with words as `str.split`."""
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class StrSplit(WhitespaceTokenizer):  # type: ignore[misc]
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    return StrSplit()


def reference_rules(tokenizer: str) -> dict[str, Any]:
    """The filters of datatrove with their defaults."""
    from datatrove.pipeline.filters.c4_filters import C4QualityFilter
    from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
    from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
    from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter
    from datatrove.utils.typeshelper import Languages

    language = whitespace_tokenizer() if tokenizer == "whitespace" else Languages.english
    return {
        "gopherQuality": GopherQualityFilter(language=language),
        "gopherRepetition": GopherRepetitionFilter(language=language),
        "c4Quality": C4QualityFilter(language=language),
        "c4Quality, any line end": C4QualityFilter(language=language, filter_no_terminal_punct=False),
        "finewebQuality": FineWebQualityFilter(language=language),
    }


def our_rules(tokenizer: Any) -> dict[str, Filter]:
    """The corresponding filters of this project."""
    return {
        "gopherQuality": GopherQuality(tokenizer=tokenizer),
        "gopherRepetition": GopherRepetition(tokenizer=tokenizer),
        "c4Quality": C4Quality(tokenizer=tokenizer),
        "c4Quality, any line end": C4Quality(tokenizer=tokenizer, require_line_end_mark=False),
        "finewebQuality": FinewebQuality(tokenizer=tokenizer),
    }


def decide_here(rule: Filter, texts: pa.Array[Any]) -> list[Decision]:
    """The decisions of this project for all texts."""
    verdict = rule.keep(Batch(pa.table({"text": texts})))
    left = verdict.columns["text"].to_pylist() if "text" in verdict.columns else [None] * len(texts)
    names = ("", *verdict.reasons)
    return [(names[code], text if code == 0 else None) for code, text in zip(verdict.codes.tolist(), left, strict=True)]


def decide_there(rule: Any, text: str) -> Decision:
    """The decision of datatrove for one text, or the name of the error that it raises."""
    from datatrove.data import Document

    document = Document(text=text, id="")
    try:
        result = rule.filter(document)
    except ZeroDivisionError as error:
        return type(error).__name__, None
    if isinstance(result, tuple):
        return result[1], None
    return "", document.text if rule.name.endswith("C4 Quality") else None


def texts_of(corpus: str, rows: int, language: str | None) -> Iterator[pa.Array[Any]]:
    """The column `text` in batches, optionally for one language according to the column `lang`."""
    left, chosen = rows, None if language is None else ds.field("lang") == language
    for batch in ds.dataset(corpus).to_batches(columns=["text"], filter=chosen, batch_size=2000):
        if left <= 0:
            return
        yield batch.column(0).slice(0, left)
        left -= batch.num_rows


def difference(here: Decision, there: Decision) -> str | None:
    """The class of a difference, or None."""
    if here == there:
        return None
    if here[0] == there[0]:
        return "other text"
    return f"{there[0] or 'keep'} -> {here[0] or 'keep'}"


def compare(corpus: str, rows: int, language: str | None, tokenizer: str, show: Callable[[str], None]) -> bool:
    """Compare all rules; True when each agrees on at least 99.95% of the texts."""
    here, there = our_rules(tokenizer), reference_rules(tokenizer)
    total = 0
    classes: dict[str, Counter[str]] = {name: Counter() for name in here}
    examples: dict[tuple[str, str], str] = {}
    for texts in texts_of(corpus, rows, language):
        total += len(texts)
        for name, rule in here.items():
            for mine, text in zip(decide_here(rule, texts), map(str, texts.to_pylist()), strict=True):
                if found := difference(mine, decide_there(there[name], text)):
                    classes[name][found] += 1
                    examples.setdefault((name, found), text)
    for name, found_classes in classes.items():
        share = 1 - sum(found_classes.values()) / max(total, 1)
        show(
            json.dumps(
                {"figure": f"{name} agreement", "value": round(share, 6), "unit": "of rows", "rows": total, "goal": 0.9995}
            )
        )
        for kind, count in found_classes.most_common():
            show(f"    {count:6} datatrove {kind} here; e.g. {examples[name, kind][:160]!r}")
    return all(sum(found.values()) <= 0.0005 * total for found in classes.values())


def main() -> None:
    """Compare on the corpus given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--rows", type=int, default=10**9)
    parser.add_argument("--language", help="only rows with this value in the column `lang`")
    parser.add_argument("--tokenizer", choices=("whitespace", "unicode"), default="whitespace")
    options = parser.parse_args()
    agreed = compare(options.corpus, options.rows, options.language, options.tokenizer, print)
    raise SystemExit(options.tokenizer == "whitespace" and not agreed)


if __name__ == "__main__":
    main()
