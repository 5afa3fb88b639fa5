"""The tuner: its rules on made-up figures, and the whole of it on a real server."""

import csv
import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from marina.errors import MarinaError
from marina.tune import laboratory as laboratory_module
from marina.tune.cost import cost_a_million, plan_fleet
from marina.tune.exhaustive import exhaustive_grid, try_all
from marina.tune.goals import Goal, Outcome
from marina.tune.laboratory import find_mismatch
from marina.tune.plots import pareto
from marina.tune.prior import Timing, predict, promising
from marina.tune.racing import (
    INDIFFERENCE,
    choose,
    compare,
    fit_rounds,
    is_decided,
    survivors,
    t_quantile,
)
from marina.tune.rows import CLOSED, OPEN, Facts, Journal, Measurement
from marina.tune.run import TuneOptions, find_model, read_inputs, tune
from marina.tune.search import Search, between
from marina.tune.settings import BATCH_SIZES, Setting, neighbours, shapes, simplicity, whole_grid
from marina.tune.time_handler import FEWEST_REPEATS
from tests.servers import marina
from tests.tiny import write_tiny_model

PLAIN = Setting("float32", "onnxruntime", 1, 1, 1, 1)
SETTINGS = st.builds(
    Setting,
    st.sampled_from(["float32", "bf16", "int8"]),
    st.sampled_from(["onnxruntime", "openvino"]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(BATCH_SIZES),
    st.sampled_from([1, 5, 20]),
)


# The race.


@settings(deadline=None)
@given(
    speeds=st.lists(st.floats(50, 500), min_size=2, max_size=8, unique=True),
    rounds=st.integers(1, 6),
    noise=st.floats(0.001, 0.05),
    seed=st.integers(0, 10**6),
)
def test_the_best_is_never_dropped_where_the_noise_can_not_hide_it(
    speeds: list[float], rounds: int, noise: float, seed: int
) -> None:
    """No round's slowness matters, and no noise that is smaller than the differences."""
    chance = random.Random(seed)  # noqa: S311
    best = max(speeds)
    speeds = [speed for speed in speeds if speed == best or speed < best * (1 - noise) / (1 + noise)]
    table: dict[int, dict[int, float]] = {key: {} for key in range(len(speeds))}
    running = list(table)
    for number in range(rounds):
        slowness = chance.uniform(0.5, 1)
        for key in running:
            table[key][number] = speeds[key] * slowness * chance.uniform(1 - noise, 1 + noise)
        running = survivors(compare(table))
        assert speeds.index(best) in running
    assert compare(table)[0].key == speeds.index(best)


@given(st.lists(st.floats(100, 200), min_size=2, max_size=6), st.integers(2, 5), st.floats(0.3, 1))
def test_what_slows_a_whole_round_changes_nothing(speeds: list[float], rounds: int, slowness: float) -> None:
    even = {key: dict.fromkeys(range(rounds), speed) for key, speed in enumerate(speeds)}
    slowed = {key: {**values, 1: values[1] * slowness} for key, values in even.items()}
    for one, other in zip(compare(even), compare(slowed), strict=True):
        assert one.ratio == pytest.approx(other.ratio)
        assert one.low == pytest.approx(other.low)


def test_settings_that_met_in_other_rounds_are_compared_through_those_that_ran_in_both() -> None:
    table = {"a": {1: 100.0, 2: 100.0, 3: 50.0}, "b": {1: 80.0, 2: 80.0}, "c": {3: 45.0}}
    ratios = {standing.key: standing.ratio for standing in compare(table)}
    assert ratios == pytest.approx({"a": 1, "b": 0.8, "c": 0.9})


def test_a_race_is_decided_when_more_would_not_change_it() -> None:
    clear = {"fast": {1: 100.0, 2: 101.0, 3: 100.0}, "slow": {1: 80.0, 2: 81.0, 3: 80.0}}
    assert is_decided(compare(clear))
    assert survivors(compare(clear)) == ["fast"]
    alike = {"one": dict.fromkeys(range(4), 100.0), "other": dict.fromkeys(range(4), 99.5)}
    assert is_decided(compare(alike))
    assert len(survivors(compare(alike))) == 2
    open_still = {"one": {1: 100.0, 2: 90.0}, "other": {1: 92.0, 2: 99.0}}
    assert not is_decided(compare(open_still))
    assert not is_decided(compare({"one": {1: 100.0}, "other": {1: 99.0}}))


def test_noise_is_told() -> None:
    chance = random.Random(1)  # noqa: S311
    table = {key: {turn: 100 * math.exp(chance.gauss(0, 0.1)) for turn in range(20)} for key in range(6)}
    assert fit_rounds(table).noise == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(("freedom", "value"), [(3, 5.841), (5, 4.032), (10, 3.169), (30, 2.750), (1000, 2.581)])
def test_quantiles_are_those_of_the_table(freedom: int, value: float) -> None:
    assert t_quantile(0.995, freedom) == pytest.approx(value, rel=0.02)


@given(st.lists(SETTINGS, min_size=1, max_size=6, unique=True), st.data())
def test_the_simplest_of_what_is_as_good_wins(several: list[Setting], data: st.DataObject) -> None:
    shares = {setting: data.draw(st.sampled_from([1.0, 0.99, 0.98, 0.9])) for setting in several}
    table = {setting: dict.fromkeys(range(3), 100 * share) for setting, share in shares.items()}
    best = max(shares.values())
    as_good = [setting for setting, share in shares.items() if share >= best * (1 - INDIFFERENCE)]
    assert choose(compare(table), simplicity) == min(as_good, key=simplicity)


def test_what_was_seen_once_does_not_win_against_what_was_seen_twice() -> None:
    table = {PLAIN: {1: 101.0}, replace(PLAIN, workers=2): {1: 100.0, 2: 100.0}}
    assert choose(compare(table), simplicity).workers == 2


@pytest.mark.parametrize(
    ("simpler", "other"),
    [
        ({"variant": "float32", "workers": 4}, {"variant": "int8"}),
        ({"workers": 1, "batch_size": 32}, {"workers": 2}),
        ({"batch_size": 2, "delay_ms": 20}, {"batch_size": 4}),
        ({"delay_ms": 1, "threads": 4}, {"delay_ms": 5}),
        ({"threads": 1, "runtime": "openvino"}, {"threads": 2}),
        ({"runtime": "onnxruntime"}, {"runtime": "openvino"}),
    ],
)
def test_simpler_is(simpler: dict[str, object], other: dict[str, object]) -> None:
    assert simplicity(replace(PLAIN, **simpler)) < simplicity(replace(PLAIN, **other))  # type: ignore[arg-type]


# The knobs.


@given(st.integers(1, 64))
def test_shapes_fill_the_cores_and_hardly_more(cores: int) -> None:
    found = shapes(cores)
    assert (1, 1) in found
    assert (1, cores) in found
    assert (cores, 1) in found
    assert all(workers * threads <= cores + threads for workers, threads in found)
    assert len(found) == len(set(found))


@given(SETTINGS, st.integers(1, 16))
def test_neighbours_differ_in_one_knob(setting: Setting, cores: int) -> None:
    for other in neighbours(setting, cores):
        changed = [
            other.batch_size != setting.batch_size,
            other.delay_ms != setting.delay_ms,
            (other.workers, other.threads) != (setting.workers, setting.threads),
        ]
        assert sum(changed) == 1
        assert other.build == setting.build


def test_every_neighbour_of_the_grid_is_in_the_grid() -> None:
    grid = whole_grid([("float32", "openvino"), ("int8", "openvino")], 2)
    assert len(grid) == len(set(grid))
    assert {other for setting in grid for other in neighbours(setting, 2)} <= set(grid)


# The prior.


def timing(build: tuple[str, str], threads: int, per_request_s: float, per_batch_s: float) -> Timing:
    medians = {size: per_request_s * size + per_batch_s for size in BATCH_SIZES}
    return Timing(build, threads, 2 // threads, medians, 150.0)


@given(st.floats(1e-4, 1), st.floats(0, 1))
def test_the_fit_finds_what_a_batch_and_a_request_take(per_request_s: float, per_batch_s: float) -> None:
    found = timing(PLAIN.build, 1, per_request_s, per_batch_s)
    assert found.fit == pytest.approx((per_request_s, per_batch_s), rel=1e-6, abs=1e-9)
    assert found.batch_s(25) == pytest.approx(25 * per_request_s + per_batch_s)


def test_what_promises_little_is_not_served_and_it_is_said() -> None:
    good, bad = ("int8", "openvino"), ("float32", "onnxruntime")
    timings = [timing(good, 1, 0.01, 0.01), timing(good, 2, 0.006, 0.01), timing(bad, 1, 0.04, 0.01)]
    chosen, cuts = promising(timings, 2, 50, 1000, None, 8)
    assert {setting.build for setting in chosen} == {good}
    assert chosen[0].workers * chosen[0].threads == 2
    assert {cut.what for cut in cuts}.isdisjoint(map(str, chosen))
    assert any(cut.what.startswith("float32") and "promise" in cut.why for cut in cuts)
    assert predict(timings, chosen[0], 50) > 2 * predict(timings, Setting(*bad, 2, 1, 32, 1), 50)
    assert math.isnan(predict(timings, Setting(*bad, 1, 2, 32, 1), 50))


def test_a_rate_asks_for_few_cores_first() -> None:
    timings = [timing(PLAIN.build, 1, 0.01, 0.001), timing(PLAIN.build, 2, 0.006, 0.001)]
    chosen, _ = promising(timings, 2, 50, 1000, 50, 8)
    assert (chosen[0].workers, chosen[0].threads) == (1, 1)


def test_a_p99_below_a_single_request_is_refused_at_once() -> None:
    with pytest.raises(MarinaError, match=r"11\.0 ms"):
        promising([timing(PLAIN.build, 1, 0.01, 0.001)], 2, 50, 5, None, 8)


# The goals, on a machine that is made up.


def measured(setting: Setting, **values: object) -> Measurement:
    numbers = {"load": 1.0, "seconds": 4.0, "requests": 400, "requests_per_s": 100.0, "p99_ms": 10.0}
    fields = {"kind": OPEN, "turn": 1, "archive": "x", **vars(setting), **numbers, **values}
    return Measurement(**fields)  # type: ignore[arg-type]


class MadeUpLaboratory:
    """Settings with a known throughput, whose p99 rises as 10 ms / (1 - load) as in the simplest of queues."""

    def __init__(self, speeds: dict[Setting, float], rest: float = 10.0) -> None:
        self.speeds, self.rest = speeds, rest
        self.asked: list[Setting] = []

    def closed(self, setting: Setting, turn: int, expected: float) -> Measurement:
        self.asked.append(setting)
        speed = self.speeds.get(setting, self.rest)
        cpu_ms = 10 + setting.workers
        return measured(setting, kind=CLOSED, turn=turn, requests_per_s=speed, cpu_ms_per_request=cpu_ms, rss_mb=100)

    def open(self, setting: Setting, rate: float, seed: int) -> Measurement:
        busy = min(0.999, rate / self.speeds.get(setting, self.rest))
        answered = min(rate, self.speeds.get(setting, self.rest))
        return measured(
            setting, load=rate, turn=seed, requests=int(4 * rate), requests_per_s=answered, p99_ms=10 / (1 - busy),
            cpu_ms_per_request=10 + setting.workers, rss_mb=100 * setting.workers,
        )  # fmt: skip


def search_for(goal: Goal, speeds: dict[Setting, float]) -> tuple[Outcome, MadeUpLaboratory]:
    laboratory = MadeUpLaboratory(speeds)
    search = Search(laboratory, goal, 2, 600, lambda setting: math.nan, lambda text: None)  # type: ignore[arg-type]
    return search.run(list(speeds)[:2], None), laboratory


BUSY = replace(PLAIN, workers=2, batch_size=8)


def test_the_search_walks_to_a_better_neighbour_of_what_was_promised() -> None:
    hidden = replace(BUSY, batch_size=16)
    outcome, _ = search_for(Goal(), {PLAIN: 50, BUSY: 100, hidden: 120})
    assert outcome.met
    assert outcome.winner == hidden


def test_a_p99_is_kept_and_the_rate_that_is_carried_told() -> None:
    outcome, _ = search_for(Goal(p99_ms=40), {PLAIN: 50, BUSY: 100})
    carried = outcome.carried_by(BUSY)
    assert outcome.winner == BUSY
    assert carried is not None
    assert carried.requests_per_s == pytest.approx(75, abs=4)  # 10 / (1 - 0.75) is 40


def test_a_p99_that_nothing_keeps_is_told_with_the_best_that_was_seen() -> None:
    outcome, _ = search_for(Goal(p99_ms=11), {PLAIN: 50, BUSY: 100})
    assert not outcome.met
    assert "was not reached; the best seen was 14 ms" in outcome.why


def test_a_rate_is_carried_by_the_setting_that_takes_least() -> None:
    outcome, _ = search_for(Goal(rps=30), {PLAIN: 50, BUSY: 100})
    assert outcome.met
    assert outcome.winner == PLAIN
    outcome, _ = search_for(Goal(rps=80), {PLAIN: 50, BUSY: 100})
    assert outcome.winner == BUSY


def test_a_rate_that_nothing_carries_is_told_with_the_most_that_was() -> None:
    outcome, _ = search_for(Goal(rps=200), {PLAIN: 50, BUSY: 100})
    assert not outcome.met
    assert "200 requests/s are not carried; the most was 9" in outcome.why


def test_the_grid_is_the_judge_of_the_search() -> None:
    grid = exhaustive_grid([PLAIN.build], 2)
    assert {replace(each, delay_ms=5) for each in grid} <= set(whole_grid([PLAIN.build], 2))
    best = Setting(*PLAIN.build, 2, 1, 16, 20)
    laboratory = MadeUpLaboratory({best: 100, BUSY: 96})
    verdict = try_all(laboratory, grid, BUSY, 30, lambda text: None)  # type: ignore[arg-type]
    assert set(grid) <= set(laboratory.asked)
    assert (verdict.grid, verdict.best) == (len(grid), best)
    assert verdict.ratio == pytest.approx(0.96)
    assert verdict.low < 0.96 < verdict.high
    assert "serves 96.0%" in str(verdict)


def test_failed_requests_carry_nothing() -> None:
    row = measured(PLAIN, load=100.0, requests=400, requests_per_s=100.0)
    assert Goal().is_met(row)
    assert not Goal().is_met(replace(row, failed=1))
    assert not Goal().is_met(replace(row, requests_per_s=80.0))
    assert not Goal(p99_ms=9).is_met(row)


@given(st.floats(1, 99), st.floats(101, 10_000), st.floats(10, 100), st.floats(101, 200))
def test_the_rate_between_lies_between(held_ms: float, lost_ms: float, held: float, lost: float) -> None:
    found = between(measured(PLAIN, load=held, p99_ms=held_ms), measured(PLAIN, load=lost, p99_ms=lost_ms), 100)
    assert held <= found <= lost


@given(st.lists(st.tuples(st.floats(1, 1000), st.floats(1, 1000)), max_size=20))
def test_nothing_is_better_than_the_front_in_both(points: list[tuple[float, float]]) -> None:
    rows = [measured(PLAIN, p99_ms=p99_ms, requests_per_s=rate) for p99_ms, rate in points]
    front = pareto(rows)
    for row in rows:
        assert any(each.p99_ms <= row.p99_ms and each.requests_per_s >= row.requests_per_s for each in front)
    assert front == sorted(front, key=lambda row: (row.p99_ms, row.requests_per_s))


def test_another_setting_than_the_one_asked_for_is_an_error() -> None:
    applied = {"workers": 1, "batch_size": 4, "delay_ms": 1, "threads": 1, "runtime": "onnxruntime"}
    assert find_mismatch(replace(PLAIN, batch_size=4), applied) == ""
    assert find_mismatch(PLAIN, applied) == "the server applied batch_size 4 in place of 1"


# Cost.


@given(st.floats(0.1, 1e5), st.floats(0.1, 1e4), st.floats(0, 100))
def test_machines_carry_the_load_and_one_less_would_not(rate: float, carried: float, price: float) -> None:
    fleet = plan_fleet(rate, carried, price)
    assert fleet.machines * carried >= rate * (1 - 1e-6)
    assert fleet.machines == 1 or (fleet.machines - 1) * carried < rate
    assert fleet.headroom == pytest.approx(1 - rate / (fleet.machines * carried))
    assert fleet.cost_a_month == pytest.approx(fleet.machines * price * 730)


def test_a_million_requests_cost_what_their_time_costs() -> None:
    assert cost_a_million(100, 0.36) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="carries nothing"):
        plan_fleet(10, 0, None)


# Rows.

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


# All of it, on a real server.


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "models/colours")
    return tmp_path / "models/colours"


@pytest.fixture
def short_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads of half a second: what they find is worth little, how they are made is the same."""
    for name in ("SHORTEST_S", "LONGEST_S", "OPEN_SHORTEST_S", "OPEN_LONGEST_S"):
        monkeypatch.setattr(laboratory_module, name, 0.5)
    for name in ("CLOSED_WARM_UP_S", "FIRST_WARM_UP_S"):
        monkeypatch.setattr(laboratory_module, name, 0.1)


def options_for(folder: Path, **changes: object) -> TuneOptions:
    options = TuneOptions(folder, folder.parent.parent / "tuning", Goal(), [], 0.1, False, False, False, 12, 8)
    return replace(options, **changes)  # type: ignore[arg-type]


def read_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("short_loads")
def test_a_model_is_tuned_on_a_real_server_and_the_winner_written(colours: Path) -> None:
    before = (colours / "model-config.yaml").read_text()
    options = options_for(colours, write=True)
    outcome = tune(options, Console(quiet=True))
    rows = read_rows(options.out)
    assert {row["kind"] for row in rows} == {"handler", "closed", "open"}
    served = [row for row in rows if row["kind"] != "handler"]
    for row in served:
        wanted = [f"{name}={row[name]}" for name in ("workers", "batch_size", "delay_ms", "threads", "runtime")]
        assert row["applied"].split() == wanted
        assert row["error"] == ""
        # Arrivals go on while a busy machine falls behind, and a full queue refuses them.
        assert int(row["failed"]) == 0 or row["kind"] == "open"
        assert float(row["requests_per_s"]) > 0
        assert float(row["cpu_ms_per_request"]) > 0
        assert float(row["rss_mb"]) > 10
    config = yaml.safe_load((colours / "model-config.yaml").read_text())
    written = [config[key] for key in ("minWorkers", "batchSize", "maxBatchDelay")]
    assert written == [outcome.winner.workers, outcome.winner.batch_size, outcome.winner.delay_ms]
    assert config["handler"]["threads"] == outcome.winner.threads
    assert config["handler"]["runtime"] == outcome.winner.runtime
    assert config["archive"]["variant"] == outcome.winner.variant
    report = (options.out / "report.md").read_text()
    assert str(outcome.winner) in report
    assert "A million requests cost" in report
    for plot in ("latency", "front", "knobs", "handler"):
        assert f"({plot}.svg)" in report
        assert (options.out / f"{plot}.svg").read_text().rstrip().endswith("</svg>")

    # What was measured is not measured again.
    (colours / "model-config.yaml").write_text(before)
    tune(replace(options, resume=True, write=False), Console(quiet=True))
    resumed = read_rows(options.out)
    assert resumed[: len(rows)] == rows
    columns = ("kind", "turn", "archive", *vars(PLAIN), "load")
    assert len({tuple(row[name] for name in columns) for row in resumed}) == len(resumed)
    assert (colours / "model-config.yaml").read_text() == before


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("short_loads")
def test_what_can_not_be_carried_is_said_and_not_written(colours: Path) -> None:
    before = (colours / "model-config.yaml").read_text()
    options = options_for(colours, goal=Goal(rps=1e6), write=True)
    with pytest.raises(
        MarinaError, match=r"1e\+06 requests/s are not carried; the most was \d+ .* nothing was written"
    ):
        tune(options, Console(quiet=True))
    assert (colours / "model-config.yaml").read_text() == before
    assert "**Not reached**" in (options.out / "report.md").read_text()


@pytest.mark.timeout(300)
def test_ctrl_c_leaves_the_rows_and_nothing_that_runs(colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuning"
    command = marina("tune", "colours", "--models", colours.parent, "--out", out)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for_served_row(process, out)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("java" in member.name() for member in family)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 130, output
    assert "--resume" in output
    assert "Traceback" not in output
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert any(row["kind"] == "closed" for row in read_rows(out))


def wait_for_served_row(process: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 180
    while not ((out / "rows.csv").exists() and ",closed," in (out / "rows.csv").read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)


def run_tune(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(marina("tune", *arguments), capture_output=True, text=True, timeout=150)


def test_a_model_that_is_not_there_is_named_with_those_that_are(colours: Path) -> None:
    with pytest.raises(MarinaError, match="no model shapes; there are: colours"):
        find_model(colours.parent / "shapes")
    done = run_tune("shapes", "--models", colours.parent)
    assert done.returncode == 1
    assert "there are: colours" in done.stderr


def test_a_model_without_samples_needs_inputs(colours: Path, tmp_path: Path) -> None:
    (colours / "samples/red.png").unlink()
    config = find_model(colours)
    with pytest.raises(MarinaError, match="no samples"):
        read_inputs(config, [])
    with pytest.raises(MarinaError, match="no input"):
        read_inputs(config, [tmp_path / "nothing.png"])
    (tmp_path / "a.json").write_text(json.dumps({"image": ""}))
    assert [body.content_type for body in read_inputs(config, [tmp_path / "a.json"])] == ["application/json"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(MarinaError, match="no samples"):
        read_inputs(config, [tmp_path / "folder"])


def test_a_p99_that_no_handler_keeps_ends_before_anything_is_served(colours: Path, tmp_path: Path) -> None:
    done = run_tune("colours", "--models", colours.parent, "--out", tmp_path / "out", "--p99-ms", 0.001)
    assert done.returncode == 1
    assert "a p99 of 0.001 ms can't be reached" in done.stderr


@pytest.mark.parametrize("wrong", [("--p99-ms", 0), ("--rps", -1), ("--price", -1), ("--budget-minutes", 0)])
def test_numbers_that_mean_nothing_are_refused(wrong: Sequence[object]) -> None:
    done = run_tune("resnet18", *wrong)
    assert done.returncode == 2
    assert str(wrong[0]) in done.stderr


def test_the_handler_is_timed_in_a_clean_interpreter() -> None:
    """The script stands alone: nothing of the checkout is imported where an archive is timed."""
    script = Path(sys.modules["marina.tune.time_handler"].__file__ or "")
    assert FEWEST_REPEATS >= 3  # of which the median is taken
    assert "marina." not in script.read_text().replace("marina_entry", "")
