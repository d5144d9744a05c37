"""The text rules once more, slow and obvious: what the compiled passes must decide."""

from __future__ import annotations

import re
from collections import Counter
from unicodedata import category

from datajob.operators.kernels.unicode import PUNCTUATION, TERMINALS

SYMBOLS = set(PUNCTUATION) | set(TERMINALS)
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def gopher_quality(text: str, words: list[str], least: int = 50) -> str:
    """The reason of the drop, or "" to keep."""
    meaningful = [w for w in words if any(c not in SYMBOLS for c in w)]
    if len(meaningful) < least:
        return "gopher_short_doc"
    if len(meaningful) > 100_000:
        return "gopher_long_doc"
    mean = sum(map(len, meaningful)) / len(meaningful) if meaningful else 5
    if mean < 3:
        return "gopher_below_avg_threshold"
    if mean > 10:
        return "gopher_above_avg_threshold"
    total = max(len(words), 1)
    if text.count("#") / total > 0.1:
        return "gopher_too_many_hashes"
    if (text.count("...") + text.count("…")) / total > 0.1:
        return "gopher_too_many_ellipsis"
    lines = text.splitlines()
    if lines and sum(line.lstrip().startswith(("•", "-")) for line in lines) / len(lines) > 0.9:
        return "gopher_too_many_bullets"
    if lines and sum(line.rstrip().endswith(("...", "…")) for line in lines) / len(lines) > 0.3:
        return "gopher_too_many_end_ellipsis"
    if sum(any(c.isalpha() for c in w) for w in words) / total < 0.8:
        return "gopher_below_alpha_threshold"
    if len(STOP_WORDS & set(words)) < 2:
        return "gopher_enough_stop_words"
    return ""


def repeated(parts: list[str]) -> tuple[int, int]:
    """How many parts occurred before, and their characters."""
    again = [part for i, part in enumerate(parts) if part in parts[:i]]
    return len(again), sum(map(len, again))


def gopher_repetition(text: str, words: list[str]) -> str:
    """The reason of the drop, or "" to keep."""
    if not text:
        return "empty"
    for name, parts, most, most_characters in (
        ("para", re.split(r"\n{2,}", text.strip()), 0.3, 0.2),
        ("line", re.split(r"\n+", text), 0.3, 0.2),
    ):
        count, characters = repeated(parts)
        if count / len(parts) > most:
            return f"dup_{name}_frac"
        if characters / len(text) > most_characters:
            return f"dup_{name}_char_frac"
    for n, most in ((2, 0.2), (3, 0.18), (4, 0.16)):
        grams = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
        if grams:
            gram, count = Counter(grams).most_common(1)[0]
            if len(gram) * count / len(text) > most:
                return f"top_{n}_gram"
    for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)):
        seen: set[str] = set()
        characters = i = 0
        while i < len(words) - n + 1:
            joined = "".join(words[i : i + n])
            if joined in seen:
                characters += len(joined)
                i += n
            else:
                seen.add(joined)
                i += 1
        if characters / len(text) > most:
            return f"duplicated_{n}_n_grams"
    return ""


def sentences(text: str) -> list[str]:
    """Pieces that end in terminal marks or newlines, an initial such as `J.` being none; what is left has no end."""
    marks = set(TERMINALS) | {"\n"}

    def match(start: int) -> int | None:
        def go_on(at: int) -> int | None:  # as a backtracking search does
            stack = [at]
            while stack:
                at = stack.pop()
                if at > start and at < len(text) and text[at] in marks:
                    while at < len(text) and text[at] in marks:
                        at += 1
                    return at + (at < len(text) and text[at] in "\"'”")
                if at < len(text) and text[at] != "\n":
                    stack.append(at + 1)
                if at + 1 < len(text) and category(text[at]) == "Lu" and text[at + 1] == ".":
                    stack.append(at + 2)
            return None

        return go_on(start)

    found, start = [], 0
    while start < len(text):
        end = match(start)
        if end is None:
            start += 1
        else:
            found.append(text[start:end])
            start = end
    return [sentence for sentence in found if sentence.strip()]


def c4_quality(text: str, any_end: bool = False, min_words: int = 3) -> tuple[str, str]:
    """The reason of the drop or "", and the text that is left."""
    kept: list[str] = []
    count = 0
    for line in text.splitlines():
        words = line.split()
        line = CITATION.sub("", line.strip())
        lower = line.lower()
        if any(len(word) > 1000 for word in words):
            continue
        if not any_end and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
            continue
        if len(words) < min_words:
            continue
        if "lorem ipsum" in lower:
            return "lorem_ipsum", ""
        if "javascript" in lower:
            continue
        if "{" in line:
            return "curly_bracket", ""
        if any(phrase in lower for phrase in POLICY):
            continue
        count += max(1, len(sentences(line)))
        kept.append(line)
    if count < 5:
        return "too_few_sentences", ""
    return "", "\n".join(kept).strip()


def fineweb_quality(text: str, words: list[str]) -> str:
    """The reason of the drop, or "" to keep."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return "empty"
    if sum(line.endswith(tuple(TERMINALS)) for line in lines) / len(lines) < 0.12:
        return "line_punct_ratio"
    if sum(len(line) <= 30 for line in lines) / len(lines) > 0.67:
        return "short_line_ratio"
    if repeated(lines)[1] / len(text.replace("\n", "")) > 0.01:
        return "char_dup_ratio"
    if text.count("\n") / len(words) > 0.3:
        return "list_ratio"
    return ""
