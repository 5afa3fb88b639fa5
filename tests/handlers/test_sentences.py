"""Sentences are told apart where that is certain, and names are never cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sentences import find_sentences


def split(text: str) -> list[str]:
    starts = [*find_sentences(text), len(text)]
    return [text[start:end] for start, end in pairwise(starts)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Rome is old. Paris is not.", ["Rome is old. ", "Paris is not."]),
        ("Is it? \u201cYes!\u201d He ran.", ["Is it? ", "\u201cYes!\u201d ", "He ran."]),
        ("It ended (in 1945.) Then came peace.", ["It ended (in 1945.) ", "Then came peace."]),
        ("A title\n\nRome is old", ["A title\n\n", "Rome is old"]),
        ("Wrapped\nlines. \u00c9mile came.", ["Wrapped\nlines. ", "\u00c9mile came."]),
        ("Dr. Smith of St. Louis met J. R. R. Tolkien.", None),
        ("The U.S. Senate and the U.N. Council", None),
        ("At 5 p.m. Monday, Acme Inc. Chairman Jones", None),
        ("version 1.5 of e.g. this", None),
        ("Yahoo! said nothing", None),
        ("......", None),
        ("", None),
    ],
)
def test_a_sentence_ends_only_where_that_is_certain(text: str, sentences: list[str] | None) -> None:
    assert split(text) == (sentences or [text])


@given(st.text(alphabet="Ab .!?\n\u201d\"'()1\u00e9\0", max_size=200))
def test_sentences_are_the_whole_text(text: str) -> None:
    starts = find_sentences(text)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert "".join(split(text)) == text
