"""Excerpts, and how far their scores are from what people said."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.cases import Cases, check_part, spread
from models.readability.data import read_splits
from models.readability.judging import rmse


def read_cases(data: Path, part: str, limit: int | None = None) -> Cases:
    """The excerpts of one part, as ``read_splits`` reads them. Raises ValueError for a part that is none."""
    parts = dict(read_splits(data))
    check_part(part, parts)
    excerpts = parts[part].take(np.array(spread(range(len(parts[part])), limit)))

    def score(answers: Sequence[Mapping[str, Any]]) -> float:
        scores = [answer["score"] for answer, _ in zip(answers, excerpts.texts, strict=True)]
        return rmse(np.array(scores), excerpts.targets)

    return Cases([text.encode() for text in excerpts.texts], "text/plain; charset=utf-8", "rmse", False, score)
