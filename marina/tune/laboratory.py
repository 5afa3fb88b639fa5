"""Measures a setting on the live server, once in the same circumstances, and keeps the row."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from marina.bodies import Body
from marina.errors import MarinaError
from marina.traffic import Load, run_closed, run_open
from marina.tune.builds import Builds
from marina.tune.prior import Timing, Timings
from marina.tune.rows import CLOSED, HANDLER, OPEN, Journal, Measurement
from marina.tune.servers import LiveServer, Slot
from marina.tune.settings import Setting

CLOSED_WARM_UP_S = 0.4
FIRST_WARM_UP_S = 1.0  # of workers that were just started: every batch size allocates when it is first seen
SHORTEST_S, LONGEST_S = 2.0, 6.0  # of a closed loop
ANSWERS_WANTED = 400  # in a closed loop, within those bounds
OPEN_SHORTEST_S, OPEN_LONGEST_S = 4.0, 8.0
ARRIVALS_WANTED = 800  # so that a p99 is not the largest value alone


class Laboratory:
    """Measures on one server; what the journal already knows is not measured again."""

    def __init__(
        self,
        server: LiveServer,
        journal: Journal,
        builds: Builds,
        bodies: Sequence[Body],
        clients: int,
        say: Callable[[str], None],
    ):
        self.server = server
        self.journal = journal
        self.builds = builds
        self.bodies = bodies
        self.clients = clients
        self.say = say
        self.memory_mb: dict[tuple[str, str], float] = {}  # of one worker, from the prior
        self.warm: set[tuple[str, Setting]] = set()

    def closed(self, setting: Setting, turn: int, expected: float) -> Measurement:
        """One window of a closed loop with every client; its length goes by the requests/s that are ``expected``."""
        seconds = min(LONGEST_S, max(SHORTEST_S, ANSWERS_WANTED / max(expected, 1)))
        blank = self.blank(CLOSED, turn, setting, float(self.clients), seconds)

        def load(url: str) -> Load:
            return run_closed(url, self.bodies, self.clients, seconds=seconds, warm_up_s=CLOSED_WARM_UP_S)

        return self.measure(blank, load)

    def open(self, setting: Setting, rate: float, seed: int) -> Measurement:
        """Latencies with Poisson arrivals of so many a second."""
        rate = float(f"{rate:.4g}")
        seconds = min(OPEN_LONGEST_S, max(OPEN_SHORTEST_S, ARRIVALS_WANTED / rate))
        blank = self.blank(OPEN, seed, setting, rate, seconds)

        def load(url: str) -> Load:
            return run_open(url, self.bodies, rate, seconds, seed=seed, warm_up_s=CLOSED_WARM_UP_S)

        return self.measure(blank, load)

    def keep_timing(self, timing: Timing) -> None:
        """Keeps the handler's own times as rows."""
        self.memory_mb[timing.build] = max(timing.memory_mb, self.memory_mb.get(timing.build, 0))
        for size, seconds in timing.medians_s.items():
            setting = Setting(*timing.build, timing.copies, timing.threads, size, 0)
            row = replace(
                self.blank(HANDLER, 0, setting, 0.0, 0.0),
                requests_per_s=timing.throughput(timing.copies, size),
                p50_ms=1000 * seconds,
                rss_mb=timing.memory_mb * timing.copies,
            )
            if row.key not in self.journal.known:
                self.journal.add(row)

    def known_timings(self) -> Timings:
        """The handler's times that the journal holds."""
        found: Timings = {}
        for row in self.journal.known.values():
            if row.kind == HANDLER and row.archive == self.digest(row.setting):
                build = row.setting.build
                timing = found.get((build, row.threads))
                medians = {**(timing.medians_s if timing else {}), row.batch_size: row.p50_ms / 1000}
                memory_mb = row.rss_mb / row.workers
                found[build, row.threads] = Timing(build, row.threads, row.workers, medians, memory_mb)
        return found

    def digest(self, setting: Setting) -> str:
        build = self.builds.get(setting.build)
        return build.digest if build else ""

    def blank(self, kind: str, turn: int, setting: Setting, load: float, seconds: float) -> Measurement:
        """A row of which only the circumstances are known."""
        build = self.builds[setting.build]
        return Measurement(
            kind=kind,
            turn=turn,
            archive=build.digest,
            load=load,
            seconds=seconds,
            quality=build.quality,
            **asdict(setting),
        )

    def measure(self, blank: Measurement, load: Callable[[str], Load]) -> Measurement:
        """Fills a row, or gives the one that the journal has. What can't be served gives a row with its error."""
        if blank.key in self.journal.known:
            return self.journal.known[blank.key]
        setting = blank.setting
        self.say(describe(blank))
        try:
            slot = self.server.serve(setting, self.builds[setting.build], self.memory_of(setting))
            self.warm_up(slot, setting)
            before = self.server.cpu_s()
            found = load(self.server.url(slot))
            cpu_s = self.server.cpu_s() - before
            row = fill(blank, found, cpu_s)
            applied = self.server.applied(slot)
            row = replace(row, rss_mb=self.server.workers_rss_mb(slot), applied=write_applied(applied))
            row = replace(row, error=find_mismatch(setting, applied))
        except MarinaError as error:
            row = replace(blank, error=str(error))
        if row.error:
            sys.stderr.write(f"{setting}: {row.error}\n")
        return self.journal.add(row)

    def memory_of(self, setting: Setting) -> float:
        return setting.workers * self.memory_mb.get(setting.build, 200)

    def warm_up(self, slot: Slot, setting: Setting) -> None:
        """Loads workers that were just started, so that nothing happens for the first time while it is measured."""
        if (slot.archive.name, setting) not in self.warm:
            run_closed(self.server.url(slot), self.bodies, self.clients, seconds=FIRST_WARM_UP_S)
            self.warm = {each for each in self.warm if each[0] != slot.archive.name} | {(slot.archive.name, setting)}


def describe(blank: Measurement) -> str:
    load = f"{blank.load:.0f} clients" if blank.kind == CLOSED else f"{blank.load:.0f} requests/s arriving"
    return f"{blank.setting}: {load}"


def fill(blank: Measurement, load: Load, cpu_s: float) -> Measurement:
    """The row with what a load found; its CPU time is of every request, those of the warm-up included."""
    answered = len(load.latencies_ms)
    rate = load.steady_requests_per_s if blank.kind == CLOSED else load.requests_per_s
    low, high = load.interval_ms(99)
    return replace(
        blank,
        requests=answered + load.failed,
        failed=load.failed,
        requests_per_s=rate,
        p50_ms=load.percentile_ms(50),
        p95_ms=load.percentile_ms(95),
        p99_ms=load.percentile_ms(99),
        p99_low_ms=low,
        p99_high_ms=high,
        mean_batch=load.mean_batch,
        cpu_ms_per_request=1000 * cpu_s / max(1, load.asked),
    )


def write_applied(applied: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in applied.items())


def find_mismatch(setting: Setting, applied: Mapping[str, object]) -> str:
    """Where the server serves with something else than it was told to; nothing where it does not."""
    wanted = asdict(setting)
    wrong = [f"{name} {value} in place of {wanted[name]}" for name, value in applied.items() if value != wanted[name]]
    return f"the server applied {', '.join(wrong)}" if wrong else ""
