"""Sentences tagged in IOB2, and how well found entities match them.

IOB2: a word of an entity of type X is tagged ``B-X`` if it is the entity's first and ``I-X`` if not; all others ``O``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence, and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


class Span(NamedTuple):
    """An entity: its type, its first word, and the word after its last."""

    type: str
    start: int
    end: int


def read_sentences(path: Path) -> list[Sentence]:
    """The sentences of a file with a word, a tab and its tag on each line, and a blank line after each sentence."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    rows = ([line.split("\t") for line in block.split("\n") if line] for block in blocks)
    return [Sentence(tuple(row[0] for row in lines), tuple(row[1] for row in lines)) for lines in rows if lines]


def read_spans(tags: Sequence[str]) -> Iterator[Span]:
    """The entities of one sentence. Strict, as seqeval's mode of that name: an ``I-`` without its ``B-`` is none."""
    start, kind = 0, ""
    for index, tag in enumerate((*tags, "O")):
        continues = kind and tag == f"I-{kind}"
        if kind and not continues:
            yield Span(kind, start, index)
        if not continues:
            start, kind = index, tag[2:] if tag.startswith("B-") else ""


@dataclass(frozen=True)
class Score:
    """How found entities match the true ones: precision, recall and F1 in 0..1, and how many true ones there are."""

    precision: float
    recall: float
    f1: float
    support: int


def count_score(right: int, found: int, true: int) -> Score:
    """The score of ``right`` entities among the ``found`` and the ``true`` ones; 0 where there is nothing to divide."""
    precision, recall = right / max(1, found), right / max(1, true)
    return Score(precision, recall, 2 * right / max(1, found + true), true)


def score_spans(true: Iterable[Iterable[Span]], found: Iterable[Iterable[Span]]) -> dict[str, Score]:
    """The score of all entities together ("all"; micro-averaged), and of each type, over sentences in one order.

    An entity is right if its type, its first and its last word are.
    """
    counts: dict[str, Counter[str]] = {"right": Counter(), "found": Counter(), "true": Counter()}
    for truth, answer in zip(map(set, true), map(set, found), strict=True):
        for name, spans in (("right", truth & answer), ("found", answer), ("true", truth)):
            counts[name].update(span.type for span in spans)
            counts[name]["all"] += len(spans)
    kinds = sorted(set(counts["true"] | counts["found"]) - {"all"})
    return {kind: count_score(*(counts[name][kind] for name in ("right", "found", "true"))) for kind in ("all", *kinds)}
