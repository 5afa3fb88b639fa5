"""The limit counts what processes do in one window, in any archive; how fast that is, no test asks."""

import json
from pathlib import Path

import psutil
import pytest

from benchmarks import limit
from benchmarks.archives import describe_quality, tell_quality, unpacked
from benchmarks.limit import TRIAL_ROUND, WAYS, Bodies, Point, Window, best, grid, measure_limit, measure_point
from marina.archive import build_archive
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("calls", "requests"),
    [
        ([[(10, 11), (11, 12)]], 16),
        ([[(9, 10), (10, 12), (12, 13)]], 8),  # what lies outside counts nothing
        ([[(9.5, 10.5), (10.5, 11.5), (11.5, 12.5)]], 16),  # what an edge cuts counts by its part
        ([[(9, 13)]], 4),
        ([[(10, 11), (11, 12)], [(10, 12)]], 24),  # of all processes
    ],
)
def test_a_window_counts_what_is_done_in_it(calls: list[list[tuple[float, float]]], requests: float) -> None:
    load, counted = limit.summarise_calls(calls, 8, 10, 12)
    assert counted == pytest.approx(requests)
    assert load.requests_per_s == pytest.approx(requests / 2)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 16])
def test_the_grid_has_each_way_to_share_the_cores_once(cores: int) -> None:
    points = grid(cores, [8])
    assert len(set(points)) == len(points)
    splits = {(point.processes, point.threads) for point in points}
    assert {(1, cores), (cores, 1), (cores + 1, 1), (2, cores)} <= splits


def test_the_best_points_are_the_fastest() -> None:
    points = grid(2, [1])
    tried = {point: {"requests_per_s": speed} for point, speed in zip(points, (10, 30.5, 9, 20), strict=True)}
    assert best(tried, 2) == [points[1], points[3]]


@pytest.mark.parametrize("model", ["colours", "votes", "strokes", "names", "easy"])
@pytest.mark.parametrize("way", ["handler", "model", "preprocess"])
def test_any_archive_is_measured_in_each_way(tiny_models: Path, tmp_path: Path, model: str, way: str) -> None:
    path, _ = build_archive(tiny_models / model, tmp_path)
    with unpacked(path) as archive:
        row = measure_point(archive, Point(way, 2, 1, 3), Bodies(archive.samples), Window(0.3, 0.1))
        assert json.loads((archive.folder / "settings.json").read_text())["threads"] == 1
    assert row["workload"] == WAYS[way]
    assert float(str(row["requests_per_s"])) > 0
    assert row["clients"] == 6
    assert not [child for child in psutil.Process().children() if "in_process" in " ".join(child.cmdline())]


def test_a_process_that_ends_too_early_is_told(tiny_archive: Path) -> None:
    with unpacked(tiny_archive) as archive, pytest.raises(RuntimeError, match="did not become ready"):
        measure_point(archive, Point("handler", 1, 1, 1), Bodies([Path("nowhere.png")]), Window(0.2, 0.1))


def test_what_an_input_is_answered_with_has_to_be_right(tiny_archive: Path) -> None:
    with unpacked(tiny_archive) as archive, pytest.raises(RuntimeError):
        measure_point(archive, Point("handler", 1, 1, 1), Bodies([ROOT / "Makefile"]), Window(0.2, 0.1))


def test_a_whole_run_tries_every_point_then_measures_the_best(
    tiny_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "grid", lambda cores: [Point("handler", 1, 1, 1), Point("handler", 1, 1, 2)])
    monkeypatch.setattr(limit, "parts", lambda cores: [Point("model", 1, 1, 2)])
    monkeypatch.setattr(limit, "KEPT", 1)
    rows = measure_limit(tiny_archive, 2, Window(0.2, 0.1), trial_s=0.2)
    assert [row["round"] for row in rows].count(TRIAL_ROUND) == 2
    assert {row["workload"] for row in rows if row["round"] == 2} == {WAYS["handler"], WAYS["model"]}
    assert {(row["model"], row["variant"], row["runtime"]) for row in rows} == {("colours", "float32", "onnxruntime")}


def test_quality_is_that_of_the_variant() -> None:
    figures = {"test": {"accuracy": 0.8219}}
    assert tell_quality(figures) == "top-1 0.8219"
    assert tell_quality({"corpora": {"wikigold_test": {"all": {"f1": 0.62}}}}) == "F1 0.62"
    assert tell_quality({}) == ""
    provenance = {"variant": "int8", "quality": {"float32": figures}, "measured": None}
    assert describe_quality(provenance) == {"quality": "", "quality_drop": ""}
    measured = {"metric": "accuracy", "value": 0.8, "drop": 0.0219}
    assert describe_quality(provenance | {"measured": measured}) == {"quality": "accuracy 0.8", "quality_drop": 0.0219}
    assert describe_quality(provenance | {"variant": "float32"})["quality"] == "top-1 0.8219"
