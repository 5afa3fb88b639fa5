"""A long measuring goes on where it ended, and rows of other columns share a file."""

from pathlib import Path

import pytest

from benchmarks.parts import Progress, run_parts
from benchmarks.rows import append_rows, read_rows


class Parts:
    """Three parts, of which the second fails as long as it is broken."""

    def __init__(self) -> None:
        self.measured: list[str] = []
        self.told: list[str] = []
        self.is_broken = True

    def run(self, file: Path, commit: str, resume: bool = False) -> list[str]:
        parts = {name: lambda name=name: self.measure(name) for name in ("first", "second", "third")}
        return run_parts(parts, Progress(file, commit), self.told.append, resume)

    def measure(self, name: str) -> None:
        if name == "second" and self.is_broken:
            raise RuntimeError("no such server")
        self.measured.append(name)


@pytest.fixture
def parts() -> Parts:
    return Parts()


def test_a_part_that_cannot_run_is_told_and_stops_no_other(parts: Parts, tmp_path: Path) -> None:
    assert parts.run(tmp_path / "finished.json", "abc") == ["second"]
    assert parts.measured == ["first", "third"]
    assert any("no such server" in line for line in parts.told)


def test_what_is_finished_at_this_commit_is_not_measured_again(parts: Parts, tmp_path: Path) -> None:
    parts.run(tmp_path / "finished.json", "abc")
    parts.is_broken = False
    assert parts.run(tmp_path / "finished.json", "abc") == []
    assert parts.measured == ["first", "third", "second"]


def test_another_commit_is_measured_anew(parts: Parts, tmp_path: Path) -> None:
    parts.run(tmp_path / "finished.json", "abc")
    parts.run(tmp_path / "finished.json", "def")
    assert parts.measured == ["first", "third"] * 2


def test_a_changed_tree_is_measured_anew_unless_one_resumes(parts: Parts, tmp_path: Path) -> None:
    parts.run(tmp_path / "finished.json", "abc-dirty")
    parts.run(tmp_path / "finished.json", "abc-dirty")
    assert parts.measured == ["first", "third"] * 2
    parts.run(tmp_path / "finished.json", "abc-dirty", resume=True)
    assert parts.measured == ["first", "third"] * 2


def test_an_end_from_outside_ends_all_parts(tmp_path: Path) -> None:
    def stop() -> None:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        run_parts({"first": stop}, Progress(tmp_path / "finished.json", "abc"), print, False)


def test_rows_with_new_columns_join_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    append_rows(path, [{"run": 1, "server": "a"}, {"run": 1, "server": "b, c"}])
    before = path.read_text()
    append_rows(path, [{"run": 2, "server": "a"}])
    assert path.read_text() == before + "2,a\n"
    append_rows(path, [{"run": 3, "variant": "int8"}, {"run": 3, "server": "d"}])
    assert [row["server"] for row in read_rows(path)] == ["a", "b, c", "a", "", "d"]
    assert [row["variant"] for row in read_rows(path)] == ["", "", "", "int8", ""]
