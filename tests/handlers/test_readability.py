"""One score for a text, however long it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.conftest import ask, start
from tests.tiny import write_tiny_readability


def test_a_text_over_the_limit_is_scored_by_its_windows(easy: Any) -> None:
    text = "the cat " * 30 + "Ada Ada " * 15
    ((_, answer),) = ask(easy, text)
    assert answer["windows"] > 1
    assert (answer["tokens"], answer["truncated"]) == (90, False)
    ((_, short),) = ask(easy, "the cat Ada Ada")
    assert short == {"score": pytest.approx(1 / 3), "tokens": 4, "truncated": False, "windows": 1}


def test_or_truncated_if_the_settings_say_so(folders: Callable[..., Path]) -> None:
    easy = start(folders(write_tiny_readability, "\n  over_limit: truncate"), "readability")
    text = "the cat " * 30 + "Ada Ada " * 15
    ((_, answer),) = ask(easy, text)
    assert answer == {"score": 1, "tokens": 90, "truncated": True, "windows": 1}
