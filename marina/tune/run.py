"""``marina tune`` from its options to the report and, where it is asked for, the model's settings."""

import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from handlers.threads import available_cores
from marina.bodies import Body, read_bodies
from marina.errors import MarinaError
from marina.model_config import CONFIG_FILE, ModelConfig, read_model_config
from marina.provenance import sha256
from marina.serve import ignore_stop, stop_signals
from marina.settings_text import change_settings
from marina.tune.builds import Builds, Cut, make_builds
from marina.tune.exhaustive import SECONDS_A_SETTING, Verdict, exhaustive_grid, try_all
from marina.tune.goals import Goal, Outcome
from marina.tune.laboratory import Laboratory
from marina.tune.prior import Timing, predict, promising, time_builds
from marina.tune.report import Findings, check_matplotlib, write_report
from marina.tune.rows import Journal, describe_run
from marina.tune.search import Search
from marina.tune.servers import LiveServer
from marina.tune.settings import Setting, whole_grid

STOPPED = 130  # what a shell gives for Ctrl-C
SHORTEST_SEARCH_S = 10.0
FEWEST_CANDIDATES, MOST_CANDIDATES = 3, 8
SECONDS_A_CANDIDATE = 25  # of the whole search: the first race takes two rounds and less than half of the time
NOISY = 0.05  # from one round to the next


@dataclass(frozen=True)
class TuneOptions:
    """What to tune, for what, and how thoroughly."""

    folder: Path  # the model's
    out: Path
    goal: Goal
    inputs: Sequence[Path]  # files or folders; the model's samples where there are none
    price: float | None
    write: bool
    resume: bool
    exhaustive: bool
    budget_s: float
    clients: int


class Stopped(Exception):
    """A signal that stops it, after everything that was started has ended."""


class Teller:
    """Tells a person what is being done: a line that changes, and lines that stay."""

    def __init__(self, console: Console, seconds: float):
        self.progress = Progress(
            SpinnerColumn(), BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
        )
        self.task = self.progress.add_task("", total=seconds)
        self.began = time.monotonic()

    def do(self, what: str) -> None:
        self.progress.update(self.task, description=what, completed=time.monotonic() - self.began)

    def say(self, what: str) -> None:
        self.progress.console.print(what, markup=False)


def tune(options: TuneOptions, console: Console) -> Outcome:
    """Tunes a model and writes its report. Raises MarinaError where the goal is not met, and Stopped."""
    config = find_model(options.folder)
    bodies = read_inputs(config, options.inputs)
    check_matplotlib()
    with stop_cleanly(), tempfile.TemporaryDirectory() as folder:
        builds, cuts = make_builds(config, Path(folder), console.print)
        console.print(tell_plan(options, builds), markup=False)
        digest = sha256(b"".join(sha256(body.content).encode() + body.content_type.encode() for body in bodies))[:16]
        journal = Journal(options.out, describe_run(config.name, digest), options.resume)
        if options.resume:
            console.print(f"{len(journal.known)} measurements are known from {journal.path}.")
        findings = measure(options, config, builds, cuts, bodies, journal, console)
    path = write_report(findings, options.out, options.price)
    console.print(f"Winner: {findings.outcome.winner}\n{findings.outcome.why}\nReport: {path}", markup=False)
    if findings.outcome.noise > NOISY:
        noise = f"{findings.outcome.noise:.0%}"
        console.print(f"Throughputs varied by {noise} from round to round: something else keeps this machine busy.")
    finish(options, config, findings.outcome, console)
    return findings.outcome


def find_model(folder: Path) -> ModelConfig:
    """The model's configuration. Raises MarinaError naming those that there are."""
    if not folder.is_dir():
        names = sorted(path.parent.name for path in folder.parent.glob(f"*/{CONFIG_FILE}"))
        raise MarinaError(f"there is no model {folder.name}; there are: {', '.join(names) or 'none'}")
    return read_model_config(folder)


def read_inputs(config: ModelConfig, inputs: Sequence[Path]) -> list[Body]:
    """What is posted, in turn. Raises MarinaError where there is nothing."""
    for path in inputs:
        if not path.exists():
            raise MarinaError(f"there is no input {path}")
    given = [file for path in inputs for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in given if file.is_file()] if inputs else config.samples
    if not files:
        raise MarinaError(f"{config.folder} has no samples to post: put some into samples/, or name files with --input")
    return read_bodies(files)


@contextmanager
def stop_cleanly() -> Iterator[None]:
    """Lets Ctrl-C, SIGTERM, SIGHUP and SIGQUIT end the block and all that it started. Raises Stopped."""
    handlers = {number: signal.getsignal(number) for number in stop_signals()}
    for number in handlers:
        signal.signal(number, signal.default_int_handler)  # asyncio passes KeyboardInterrupt on, and nothing else
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def tell_plan(options: TuneOptions, builds: Builds) -> str:
    minutes = f"{options.budget_s / 60:.0f} minutes"
    text = (
        f"Looking for {options.goal}, among {len(whole_grid(builds, available_cores()))} settings on "
        f"{available_cores()} cores: at most about {minutes}."
    )
    if options.exhaustive:
        grid = exhaustive_grid(builds, available_cores())
        hours = len(grid) * SECONDS_A_SETTING / 3600
        text += f" Then a grid of {len(grid)} of them, one by one: about {hours:.1f} hours."
    return text


def measure(
    options: TuneOptions,
    config: ModelConfig,
    builds: Builds,
    cuts: list[Cut],
    bodies: Sequence[Body],
    journal: Journal,
    console: Console,
) -> Findings:
    """The prior, the search, and the grid where it is wanted."""
    cores, goal = available_cores(), options.goal
    teller = Teller(console, options.budget_s)
    with ExitStack() as stack:
        stack.enter_context(teller.progress)
        server = stack.enter_context(LiveServer(config.name))
        stack.callback(ignore_stop)  # first, on the way out: a second Ctrl-C must not break into the clearing away
        laboratory = Laboratory(server, journal, builds, bodies, options.clients, teller.do)
        timings: list[Timing] = []
        for timing in time_builds(builds, bodies, cores, laboratory.known_timings(), teller.do):
            timings.append(timing)
            laboratory.keep_timing(timing)
        left_s = max(SHORTEST_SEARCH_S, options.budget_s - (time.monotonic() - teller.began))
        most = max(FEWEST_CANDIDATES, min(MOST_CANDIDATES, int(left_s / SECONDS_A_CANDIDATE)))
        candidates, cut = promising(timings, cores, options.clients, goal.longest_ms, goal.rps, most)
        search = Search(
            laboratory, goal, cores, left_s, lambda setting: predict(timings, setting, options.clients), teller.say
        )
        current = current_setting(config, builds)
        outcome = search.run(candidates, current)
        outcome.seconds = time.monotonic() - teller.began
        outcome.cuts = [*cuts, *cut, *outcome.cuts]
        verdict: Verdict | None = None
        if options.exhaustive:
            grid = exhaustive_grid(builds, cores)
            verdict = try_all(laboratory, grid, outcome.winner, outcome.seconds, teller.do)
            teller.say(str(verdict))
    rows = [row for row in journal.known.values() if row.archive in {build.digest for build in builds.values()}]
    return Findings(outcome, journal.facts, rows, timings, current, cores, options.clients, verdict)


def current_setting(config: ModelConfig, builds: Builds) -> Setting | None:
    """What the model's folder says now; None where that was not built."""
    server, workers = config.server, int(str(config.server["minWorkers"]))
    threads = int(config.handler.get("threads", 0)) or max(1, available_cores() // workers)
    build = config.archive.variant, str(config.handler.get("runtime", "onnxruntime"))
    if build not in builds:
        return None
    return Setting(*build, workers, threads, int(str(server["batchSize"])), int(str(server["maxBatchDelay"])))


def finish(options: TuneOptions, config: ModelConfig, outcome: Outcome, console: Console) -> None:
    """Writes the winner into the model's settings, if that is wanted. Raises MarinaError where the goal is not met."""
    if not outcome.met:
        raise MarinaError(f"the goal is not met: {outcome.why}" + ("; nothing was written" if options.write else ""))
    if options.write:
        path = config.folder / CONFIG_FILE
        most = int(str(config.server["maxWorkers"]))
        path.write_text(change_settings(path.read_text("utf-8"), outcome.winner.all_changes(most)), "utf-8")
        console.print(f"Written to {path}; `marina archive {config.name}` builds it.", markup=False)
