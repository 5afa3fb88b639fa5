"""A sentence's words as the text that people write, and back: from places in the text to words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.iob2 import Span

CLOSING = {",", ".", ";", ":", "!", "?", ")", "]", "}", "%", "'s", "'m", "'re", "'ve", "'ll", "'d", "n't", "..."}
OPENING = {"(", "[", "{", "$", "£", "€", "#"}
QUOTES = {'"', "'"}


def write_text(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text, and for each word where it starts and ends in it, in characters."""
    text, places, spaced, open_quotes = "", [], False, set[str]()
    for word in words:
        closes = word.lower() in CLOSING or word in open_quotes
        if spaced and not closes:
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
        spaced = word not in OPENING and not (word in QUOTES and not closes)
        if word in QUOTES:
            open_quotes ^= {word}
    return text, places


def to_spans(entities: Iterable[Mapping[str, Any]], places: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """The entities as spans of a sentence's words, which stand in the text at ``places``: of all that they touch."""
    for entity in entities:
        first, last = entity["start"], entity["end"]
        touched = [index for index, (start, end) in enumerate(places) if start < last and end > first]
        if touched:
            yield Span(entity["entity_group"], touched[0], touched[-1] + 1)
