"""`marina tune` beside an exhaustive grid: how near its choice is to the best, in what share of the time, how steadily.

The first run of a model is followed by the grid; the tool then measures its own choice and the grid's best again, in
turn. The choices of all the runs are served beside one another at the end, for they may differ.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.archives import MODELS, build_archive, unpacked
from benchmarks.loops import measure_closed
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, marina_with
from marina.bodies import read_bodies
from marina.settings_text import change_archive
from marina.tune.settings import Setting

RESULTS = ROOT / "benchmarks/results/tuner.csv"
CHOSEN, BESIDE_GRID = "what each run chose", "tuner beside the grid"
SETTING = r"(\w+) (\w+), (\d+) x (\d+) threads, batch (\d+), (\d+) ms"
WINNER = re.compile(rf"^Winner: {SETTING}", re.MULTILINE)
VERDICT = re.compile(
    r"The search took (?P<search>[\d.]+) s and the grid of (?P<settings>\d+) settings (?P<grid>[\d.]+) s"
    r".*?serves (?P<ratio>[\d.]+)% \((?P<low>[\d.]+)% to (?P<high>[\d.]+)%\) of the grid's best, (?P<best>.+?)\.\s",
    re.DOTALL,
)


@dataclass(frozen=True)
class Plan:
    models: tuple[str, ...] = MODELS
    runs: int = 3
    rounds: int = 3  # of the choices beside one another
    seconds: float = 10
    warm_s: float = 2
    clients: int = 50
    budget_minutes: float = 4
    exhaustive: bool = True


def measure_tuner(plan: Plan, tell: Callable[[str], None]) -> list[Row]:
    """For each model, a row for the choice of each run, one for the grid, and rows for the choices in rounds."""
    common = describe_run()
    rows: list[Row] = []
    for model in plan.models:
        with tempfile.TemporaryDirectory() as name:
            choices = []
            for number in range(1, plan.runs + 1):
                printed, took_s = tune(model, Path(name) / f"run{number}", plan, exhaustive=number == 1)
                choices.append(read_choice(printed))
                tell(f"{model}, run {number}: {choices[-1]}")
                head = {"model": model, "round": number, "server": "marina", "settings": str(choices[-1])}
                row = read_verdict(printed) | {"workload": BESIDE_GRID} if number == 1 and plan.exhaustive else {}
                rows.append(common | head | {"workload": "tuner", "took_s": round(took_s)} | row)
            rows += [common | {"model": model} | row for row in measure_choices(model, choices, plan, Path(name))]
    return rows


def tune(model: str, out: Path, plan: Plan, exhaustive: bool) -> tuple[str, float]:
    """What the tool prints, and the seconds that it took."""
    command: list[str | Path] = [ROOT / ".venv/bin/marina", "tune", model, "--out", out]
    command += ["--budget-minutes", str(plan.budget_minutes), "--clients", str(plan.clients)]
    command += ["--exhaustive"] if exhaustive and plan.exhaustive else []
    began = time.monotonic()
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"marina tune {model} failed: {done.stderr[-2000:]}")
    return done.stdout, time.monotonic() - began


def read_choice(printed: str) -> Setting:
    """The winner that the tool tells. Raises ValueError."""
    found = WINNER.search(printed)
    if found is None:
        raise ValueError(f"marina tune told no winner:\n{printed[-2000:]}")
    return Setting(found[1], found[2], *(int(found[place]) for place in range(3, 7)))


def read_verdict(printed: str) -> Row:
    """What it tells of the grid: shares are of 1. Raises ValueError."""
    found = VERDICT.search(printed)
    if found is None:
        raise ValueError(f"marina tune told nothing of the grid:\n{printed[-2000:]}")
    row: Row = {"grid_settings": int(found["settings"]), "search_s": float(found["search"])}
    row |= {"grid_s": float(found["grid"]), "grid_best": found["best"]}
    return row | {
        f"of_best{end}": float(found[key]) / 100 for end, key in (("", "ratio"), ("_low", "low"), ("_high", "high"))
    }


def measure_choices(model: str, choices: Sequence[Setting], plan: Plan, scratch: Path) -> list[Row]:
    """Rows of the settings that were chosen, each once however many runs chose it, in turn on one server."""
    runs = {choice: [number for number, each in enumerate(choices, 1) if each == choice] for choice in choices}
    store = scratch / "choices"
    store.mkdir()
    names, about = {}, {}
    for number, choice in enumerate(runs, 1):
        name = f"{model}-choice{number}"
        built = build_archive(model, ROOT / "models", scratch / name, choice.variant, choice.runtime)
        # The archive's maxWorkers may be lower.
        most = {"maxWorkers": max(8, choice.workers)}
        change_archive(built, store / f"{name}.mar", {**choice.serving_changes(), **most})
        with unpacked(built) as archive:
            about[name] = archive.describe()
        names[name] = choice
        shutil.rmtree(scratch / name)
    files = sorted((ROOT / "models" / model / "samples").iterdir())
    rows = []
    with marina_with(store, dict.fromkeys(names, files[0]), []) as servers:
        for number in range(1, plan.rounds + 1):
            for name, choice in names.items():
                found = measure_closed(servers[name], read_bodies(files), plan.clients, plan.seconds, plan.warm_s)
                row = about[name] | found | {"workload": CHOSEN, "round": number, "settings": str(choice)}
                rows.append(row | {"runs": " ".join(map(str, runs[choice]))})
    return rows
