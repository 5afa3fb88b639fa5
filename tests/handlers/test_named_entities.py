"""Names: whole, once, and at the places that they have in the text as it was sent."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.handlers.conftest import ODD, ask, entities, texts
from tests.tiny import VOCABULARY


@settings(deadline=None, max_examples=300)
@given(texts)
def test_the_offsets_of_an_entity_are_those_of_the_text_as_sent(names: Any, text: str) -> None:
    ((status, answer),) = ask(names, text)
    if status != 200:
        assert status in (400, 422)
        return
    for entity in answer:
        assert text[entity["start"] : entity["end"]] == entity["word"]
        assert entity["word"].strip() == entity["word"] != ""
    ends = [0] + [entity["end"] for entity in answer]
    assert all(entity["start"] >= end for entity, end in zip(answer, ends, strict=False))


@pytest.mark.parametrize("odd", [part for part in ODD if not part.isspace()])
def test_a_name_is_found_behind_whatever_stands_before_it(names: Any, odd: str) -> None:
    text = f"{odd} {odd}\tthe cat likes Ada\tLovelace {odd}"
    found = [(entity["entity_group"], entity["word"]) for entity in entities(names, text)]
    assert ("PER", "Ada\tLovelace") in found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["Ada Lovelace", "New York", "Chromebook"]), min_size=1), st.sampled_from([1, 7, 60]))
def test_nothing_is_lost_or_doubled_where_windows_meet(names: Any, words: list[str], gap: int) -> None:
    text = "".join(f"{'the cat ' * gap}{word}, " for word in words)
    assert [entity["word"] for entity in entities(names, text)] == words


def test_a_document_of_100_000_characters_keeps_every_name(names: Any) -> None:
    text = "".join(f"The cat likes Paris{'.' if number % 3 else ''} and{' ' * 27}" for number in range(1970))
    assert len(text) > 99_000
    found = entities(names, text)
    assert [entity["start"] for entity in found] == [at for at in range(len(text)) if text.startswith("Paris", at)]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["Ada met Paris. ", "The cat sees New York! ", "Is Dr. Ada in? "]), min_size=1, max_size=40
    )
)
def test_by_sentence_each_is_answered_as_alone(by_sentence: Any, parts: list[str]) -> None:
    assert len(by_sentence.encode("".join(parts)).windows) == len(parts)
    expected, offset = [], 0
    for part in parts:
        for entity in entities(by_sentence, part):
            expected.append({**entity, "start": entity["start"] + offset, "end": entity["end"] + offset})
        offset += len(part)
    assert entities(by_sentence, "".join(parts)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the Chromebook", [("MISC", "Chromebook")]),  # word pieces join
        ("Ada Lovelace", [("PER", "Ada Lovelace")]),  # neighbours of one type join
        ("Ada Paris", [("PER", "Ada"), ("LOC", "Paris")]),  # neighbours of different types don't
        ("Ada Ada", [("PER", "Ada Ada")]),
        ("Ada\nLovelace", [("PER", "Ada\nLovelace")]),  # a name may run over the end of a line
        ("Ada\nAda", [("PER", "Ada"), ("PER", "Ada")]),  # two lines of a list
        ("Ada, Paris and Ada", [("PER", "Ada"), ("LOC", "Paris"), ("PER", "Ada")]),
        ("the cat", []),
    ],
)
def test_what_joins_to_one_entity(names: Any, text: str, expected: list[tuple[str, str]]) -> None:
    found = entities(names, text)
    assert [(entity["entity_group"], entity["word"]) for entity in found] == expected
    assert all(0.9 < entity["score"] <= 1 for entity in found)


def test_a_model_without_numbers_is_at_fault_for_its_text_alone(names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        logits = model(ids, mask)
        logits[(ids == VOCABULARY.index("Paris")).any(axis=1)] = np.nan
        return logits

    model = names.model
    monkeypatch.setattr(names, "model", spoil)
    assert [status for status, _ in ask(names, "Ada", "Paris", "New York")] == [200, 500, 200]
