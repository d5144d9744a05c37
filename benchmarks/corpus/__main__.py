"""`python -m benchmarks.corpus`: build the corpus, or the small corpus that is part of the repository."""

import argparse
import re
import sys
from pathlib import Path

from benchmarks.corpus.build import Report, choose, gather, write
from benchmarks.corpus.demo import write_demo
from benchmarks.corpus.fetch import CorpusError, available, default_cache
from benchmarks.corpus.packages import DEMO_LICENSES, PACKAGES

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def size_in_bytes(text: str) -> int:
    """`200MB`, `1.5GiB` or a plain number of bytes."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMG]?I?)B?", text.strip().upper())
    if not match or match[2] not in _UNITS or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; use, for example, 200MB")
    return int(float(match[1]) * _UNITS[match[2]])


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--size", type=size_in_bytes, default="100MB", help="amount of text, for example 200MB")
    parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["jsonl", "parquet"], default="jsonl")
    parser.add_argument("--files", type=_positive, default=1, help="number of files")
    parser.add_argument("--jobs", type=_positive, default=1, help="number of packages to read in parallel")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for downloaded packages")
    parser.add_argument("--demo", action="store_true", help="build the small corpus of the repository instead; ignores --size")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    options = _arguments(argv)
    try:
        versions = available(list(DEMO_LICENSES) if options.demo else PACKAGES)
        if options.demo:
            write_demo(gather(versions, options.cache, sys.maxsize, options.jobs), versions, options.out, options.seed)
            return 0
        entries = gather(versions, options.cache, options.size, options.jobs)
        report = write(choose(entries, options.size, options.seed), options.out, options.format, options.files)
    except CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _print(report)
    return 0


def _print(report: Report) -> None:
    print(f"{'lang':<6}{'documents':>12}{'text MB':>12}")
    for lang, (documents, size) in report.by_language.items():
        print(f"{lang:<6}{documents:>12}{size / 1e6:>12.2f}")
    print(
        f"{report.documents} documents, {report.text_bytes} bytes of text "
        f"({report.distinct_text_bytes} of them distinct); "
        f"{report.bytes_read} bytes read, {report.bytes_written} bytes written"
    )
    if report.repeated_documents:
        print(
            f"note: the packages contain less text than requested, so {report.repeated_documents} documents are "
            "repeated; their IDs end in ~2, ~3, ..."
        )


if __name__ == "__main__":
    sys.exit(main())
