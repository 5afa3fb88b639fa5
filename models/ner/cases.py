"""Sentences as texts, and the F1 of the names found in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.cases import Cases, check_part, spread
from models.iob2 import read_sentences, read_spans, score_spans
from models.ner.text import to_spans, write_text

CORPUS = "wikigold"  # the one whose names people marked


def read_cases(data: Path, part: str, limit: int | None = None) -> Cases:
    """The sentences of ``data/wikigold_<part>.txt``. Raises ValueError for a part that is none."""
    check_part(part)
    sentences = spread(read_sentences(data / f"{CORPUS}_{part}.txt"), limit)
    texts = [write_text(sentence.words) for sentence in sentences]
    truths = [list(read_spans(sentence.tags)) for sentence in sentences]

    def score(answers: Sequence[Sequence[Mapping[str, Any]]]) -> float:
        found = [to_spans(entities, places) for entities, (_, places) in zip(answers, texts, strict=True)]
        return score_spans(truths, found)["all"].f1

    return Cases([text.encode() for text, _ in texts], "text/plain; charset=utf-8", "f1", True, score)
