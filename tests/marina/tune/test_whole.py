"""All of it, on a real server."""

import csv
import json
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
from rich.console import Console

from marina.errors import MarinaError
from marina.tune import laboratory as laboratory_module
from marina.tune.goals import Goal
from marina.tune.run import TuneOptions, find_model, read_inputs, tune
from marina.tune.time_handler import FEWEST_REPEATS
from tests.marina.tune.made_up import PLAIN
from tests.servers import marina
from tests.tiny import write_tiny_model


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
