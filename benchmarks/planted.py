"""Documents with planted near-duplicates, and an exhaustive comparison that finds all of them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

Pairs = dict[tuple[int, int], float]


def planted_documents(count: int, seed: int, share: float = 0.4) -> list[str]:
    """`count` texts. About `share` of them are copies of another one with some words changed, removed or inserted.

    The number of changes is random, so that the similarity of copies and originals ranges from about 0.5 to 1.
    """
    draw = random.Random(seed)
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(5000)]
    weights = [1 / (rank + 10) for rank in range(len(vocabulary))]
    texts: list[str] = []
    while len(texts) < count:
        if texts and draw.random() < share:
            texts.append(_edited(draw.choice(texts), draw, vocabulary))
        else:
            texts.append(" ".join(draw.choices(vocabulary, weights, k=draw.randint(40, 400))))
    return texts


def _edited(text: str, draw: random.Random, vocabulary: Sequence[str]) -> str:
    words = text.split()
    for _ in range(round(draw.random() * 0.07 * len(words))):
        at, kind = draw.randrange(len(words)), draw.randrange(3)
        words[at : at + (kind != 0)] = [] if kind == 1 else [draw.choice(vocabulary)]
    return " ".join(words)


def shingles(text: str, size: int = 5) -> set[tuple[str, ...]]:
    """The word n-grams of a text. A text with fewer words is one n-gram."""
    words = tuple(text.split())
    return {words[i : i + size] for i in range(max(1, len(words) - size + 1))} if words else set()


def similar_pairs(texts: Sequence[str], threshold: float, size: int = 5) -> Pairs:
    """Jaccard similarity of all pairs (earlier, later) that reach the threshold. Compares all pairs that share an n-gram."""
    sets = [shingles(text, size) for text in texts]
    having: dict[tuple[str, ...], list[int]] = defaultdict(list)
    found: Pairs = {}
    for later, mine in enumerate(sets):
        common: Counter[int] = Counter()
        for shingle in mine:
            common.update(having[shingle])
            having[shingle].append(later)
        for earlier, both in common.items():
            jaccard = both / (len(mine) + len(sets[earlier]) - both)
            if jaccard >= threshold:
                found[earlier, later] = jaccard
    return found
