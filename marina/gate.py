"""The gate: whether a variant's answers are float32's, and what is lost where the right answers are known."""

from collections.abc import Mapping, Sequence
from typing import Any

from marina.errors import MarinaError

ANSWER = "answer"  # what an ensemble decided on, among all that it tells beside it


class Refused(MarinaError):
    """A variant that answers too differently from float32; the message says by how much."""


def agrees(answer: Any, reference: Any, most_difference: float) -> bool:
    """Whether two answers say the same: the same first label, the same entities, scores that are near one another.

    Numbers (probabilities, scores) may differ by ``most_difference``; everything else must be equal.
    """
    if isinstance(answer, Mapping) and isinstance(reference, Mapping):
        if ANSWER in reference:
            return bool(answer.get(ANSWER) == reference[ANSWER])
        if is_ranked(reference):
            return next(iter(answer), None) == next(iter(reference), None)
        return answer.keys() == reference.keys() and all(
            agrees(answer[key], reference[key], most_difference) for key in reference
        )
    if isinstance(answer, list) and isinstance(reference, list):
        return len(answer) == len(reference) and all(
            agrees(one, other, most_difference) for one, other in zip(answer, reference, strict=True)
        )
    if isinstance(answer, float) and isinstance(reference, float):
        return abs(answer - reference) <= most_difference
    return bool(answer == reference)


def is_ranked(answer: Mapping[str, Any]) -> bool:
    """Whether it is labels with their probabilities, most likely first."""
    return bool(answer) and all(isinstance(value, float) for value in answer.values()) and sum(answer.values()) <= 1.01


def agreement(answers: Sequence[Any], references: Sequence[Any], most_difference: float) -> float:
    """The share of inputs, 0..1, that a variant and float32 answer alike; 1 where there are none."""
    same = [agrees(one, other, most_difference) for one, other in zip(answers, references, strict=True)]
    return sum(same) / len(same) if same else 1.0


def check_agreement(variant: str, found: float, least: float, inputs: int) -> None:
    """Raises Refused where too few answers are float32's."""
    if found < least:
        raise Refused(
            f"{variant} is refused: it answers {found:.1%} of the {inputs} inputs as float32 does; "
            f"at least {least:.1%} are wanted (archive.min_agreement)"
        )


def check_drop(variant: str, metric: str, drop: float, most: float, value: float) -> None:
    """Raises Refused where the task's metric is worse than float32's by more than is allowed."""
    if drop > most:
        raise Refused(
            f"{variant} is refused: its {metric} is {value:.4f}, worse than float32's by {drop:.4f}; "
            f"at most {most:g} is allowed (archive.max_drop)"
        )
