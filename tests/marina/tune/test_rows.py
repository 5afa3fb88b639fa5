"""What was measured is kept, and used again in the same circumstances alone."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from marina.errors import MarinaError
from marina.tune.rows import Facts, Journal
from tests.marina.tune.made_up import PLAIN, measured

FACTS = Facts("2026-01-01T00:00:00Z", "abc", "a machine", "python 3", "colours", "inputs")


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    row = measured(PLAIN, p99_high_ms=math.inf, applied="workers=1", quality='accuracy 0.9, "so"')
    Journal(tmp_path, FACTS, resume=False).add(row)
    assert list(Journal(tmp_path, FACTS, resume=True).known.values()) == [row]


@pytest.mark.parametrize("changed", [{"machine": "b"}, {"versions": "b"}, {"model": "b"}, {"inputs": "b"}])
def test_rows_of_other_circumstances_are_not_used_again(tmp_path: Path, changed: dict[str, str]) -> None:
    Journal(tmp_path, FACTS, resume=False).add(measured(PLAIN))
    assert not Journal(tmp_path, replace(FACTS, **changed), resume=True).known
    assert Journal(tmp_path, replace(FACTS, run="later", commit="def"), resume=True).known


def test_a_fresh_run_keeps_the_older_rows_aside(tmp_path: Path) -> None:
    Journal(tmp_path, FACTS, resume=False).add(measured(PLAIN))
    assert not Journal(tmp_path, FACTS, resume=False).known
    assert [path.name for path in tmp_path.iterdir()] == ["rows-until-2026-01-01T000000Z.csv"]


def test_a_file_of_other_rows_can_not_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MarinaError, match="can't be resumed"):
        Journal(tmp_path, FACTS, resume=True)
