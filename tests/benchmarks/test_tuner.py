"""What the tuner tells is read as it tells it."""

import pytest

from benchmarks.tuner import read_choice, read_verdict
from marina.tune.exhaustive import Verdict
from marina.tune.settings import Setting

BEST = Setting("int8", "openvino", 3, 1, 16, 1)
WINNER = Setting("int8", "openvino", 2, 1, 8, 1)


def test_the_winner_is_read() -> None:
    assert read_choice(f"Building.\nWinner: {WINNER}\nIt is the fastest.\n") == WINNER


def test_the_grid_is_read() -> None:
    row = read_verdict(f"...\n{Verdict(216, 1804.2, 240.6, BEST, WINNER, 0.973, 0.95, 0.99)}\nReport: x\n")
    assert (row["grid_settings"], row["search_s"], row["grid_s"]) == (216, 241, 1804)
    assert row["grid_best"] == str(BEST)
    assert row["of_best"] == pytest.approx(0.973)
    assert row["of_best_low"] == pytest.approx(0.95)


def test_what_tells_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no winner"):
        read_choice("")
    with pytest.raises(ValueError, match="nothing of the grid"):
        read_verdict("")
