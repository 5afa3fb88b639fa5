"""The names in a text: ``[{"entity_group": "PER", "word": "Ada", "score": 0.98, "start": 0, "end": 3}]``."""

from typing import Any, ClassVar, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from .errors import ModelError
from .probabilities import read_probabilities
from .texts import Array, Range, Text, TextHandler, TextSettings, own_ranges

OUTSIDE = "O"
TINY = 1e-9  # a probability that stands for none
FORBIDDEN = -1e6  # beside the logarithms of probabilities
# One entity in an answer (JSON Schema).
ENTITY = {
    "type": "object",
    "properties": {
        "entity_group": {"type": "string"},
        "word": {"type": "string", "minLength": 1},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "start": {"type": "integer", "minimum": 0},
        "end": {"type": "integer", "minimum": 1},
    },
    "required": ["entity_group", "word", "score", "start", "end"],
    "additionalProperties": False,
}


class EntitySettings(TextSettings):
    labels: List[str]  # IOB2, "O", "B-PER", "I-PER" and so on, by the index of the model's output
    output: str = "logits"  # or "probabilities": what the model gives; `marina archive` finds it in the graph


class Word(NamedTuple):
    """What the model says of one word."""

    start: int  # code points of the text
    end: int
    type: str
    score: float  # the probability of the type
    begins: bool  # whether a name begins here, rather than goes on


class NamedEntities(TextHandler):
    settings_type = EntitySettings
    settings: EntitySettings
    answer_schema: ClassVar[Dict[str, Any]] = {"type": "array", "items": ENTITY}

    def postprocess(self, output: Sequence[Array], request: Text) -> List[Dict[str, Any]]:
        logits = join_windows(output, request.windows, len(self.before))
        if not np.isfinite(logits).all():
            raise ModelError("The model gave no numbers for this text.")
        words = judge_words(read_probabilities(logits, self.settings.output), self.settings.labels, request)
        return [describe(group, request.text) for group in join_words(words, request.text)]


def join_windows(outputs: Sequence[Array], windows: Sequence[Range], before: int) -> Array:
    """float32 (n, labels): each token's logits, of the window that sees most around it.

    ``outputs`` has (tokens, labels) a window, of which the first ``before`` tokens are special ones.
    """
    parts = []
    for output, window, own in zip(outputs, windows, own_ranges(windows)):
        shift = before - window[0]
        parts.append(output[own[0] + shift : own[1] + shift])
    return np.concatenate(parts)


def judge_words(probabilities: Array, labels: Sequence[str], request: Text) -> List[Word]:
    """The words of a text, each with its type. ``probabilities`` is float (n, labels), of each piece.

    A word has the types that its pieces have in the mean, and begins a name as its first piece does.
    """
    words, offsets = request.words, request.offsets
    firsts = np.flatnonzero(np.append(True, words[1:] != words[:-1]))
    lasts = np.append(firsts[1:], len(words)) - 1
    means = np.add.reduceat(probabilities, firsts) / (lasts - firsts + 1)[:, None]
    types = sorted({type_of(label) for label in labels})
    kinds = [types.index(type_of(label)) for label in labels]
    to_types = np.eye(len(types), dtype=np.float32)[kinds]  # (labels, types)
    by_type = means @ to_types
    shares = probabilities[firsts] / np.maximum((probabilities[firsts] @ to_types)[:, kinds], TINY)
    path = find_path(by_type[:, kinds] * shares, labels)
    places = [trim(request.text, *place) for place in zip(offsets[firsts, 0], offsets[lasts, 1])]
    return [
        Word(start, end, type_of(labels[label]), float(scores[kinds[label]]), labels[label].startswith("B-"))
        for (start, end), label, scores in zip(places, path, by_type)
        if start < end
    ]


def find_path(probabilities: Array, labels: Sequence[str]) -> List[int]:
    """The likeliest labels, by index, of the words (n, labels) among those that IOB2 allows (Viterbi, 1967).

    Inside a name is only what follows its beginning: so a name's second word is not called a place because it often
    is one. A model that knows no beginnings is free.
    """
    inside = np.array([label.startswith("I-") and "B-" + type_of(label) in labels for label in labels])
    same = np.array([[type_of(one) == type_of(other) for other in labels] for one in labels])
    forbidden = np.where(inside & ~same, FORBIDDEN, 0)  # (label before, label)
    logs = np.log(np.maximum(probabilities, TINY))
    score = logs[0] + np.where(inside, FORBIDDEN, 0)
    arrivals = []
    for log in logs[1:]:
        through = score[:, None] + forbidden
        arrivals.append(through.argmax(axis=0))
        score = through.max(axis=0) + log
    path = [int(score.argmax())]
    for arrival in reversed(arrivals):
        path.append(int(arrival[path[-1]]))
    return path[::-1]


def type_of(label: str) -> str:
    """ "PER" of "B-PER" and of "I-PER"."""
    return label.partition("-")[2] or label


def join_words(words: Sequence[Word], text: str) -> Iterator[List[Word]]:
    """The words of each entity: neighbours of one type.

    A name may run over the end of a line. Where the model sees a new one begin there, two lines hold two.
    """
    group: List[Word] = []
    for word in words:
        if group and (word.type != group[-1].type or (word.begins and "\n" in text[group[-1].end : word.start])):
            yield group
            group = []
        if word.type != OUTSIDE:
            group.append(word)
    if group:
        yield group


def describe(words: Sequence[Word], text: str) -> Dict[str, Any]:
    """One entity as the transformers pipeline gives it; ``start`` and ``end`` count Unicode code points."""
    start, end = words[0].start, words[-1].end
    return {
        "entity_group": words[0].type,
        "word": text[start:end],
        "score": round(sum(word.score for word in words) / len(words), 6),
        "start": start,
        "end": end,
    }


def trim(text: str, start: int, end: int) -> Tuple[int, int]:
    """The range without white space at its ends, which some tokenizers count to a word."""
    inner = text[start:end]
    return int(start) + len(inner) - len(inner.lstrip()), int(end) - len(inner) + len(inner.rstrip())
