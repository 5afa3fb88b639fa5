"""The search: a race over what the prior promises, then over the winner's neighbours, then loads with arrivals."""

import math
import random
import time
from collections.abc import Callable, Sequence

from marina.errors import MarinaError
from marina.tune.builds import Cut
from marina.tune.goals import Carried, Goal, Outcome
from marina.tune.laboratory import Laboratory
from marina.tune.racing import FEWEST_ROUNDS, HOPELESS, Standing, choose, compare, fit_rounds, is_decided, survivors
from marina.tune.rows import Measurement
from marina.tune.settings import Setting, neighbours, simplicity

MOST_ROUNDS = 6
MOST_STEPS = 3  # from a winner to a better neighbour
FINALISTS = 3
CLOSE = 0.85  # of the best throughput: may still carry the most under a p99
# Shares of a setting's throughput at which arrivals are tried.
LADDER = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
CURVE = (0.25, 0.5, 0.7, 0.8, 0.9)  # of the winner's, for the report
SAME_CARRIED = 0.05  # a step of the ladder: closer than that, carried rates are alike
SAME_COST = 0.05
# Shares of the time after which a stage begins no more rounds.
RACE_UNTIL, STEPS_UNTIL, OPEN_UNTIL = 0.45, 0.65, 0.9


class Search:
    """One search with a goal and so many seconds, on one laboratory."""

    def __init__(
        self,
        laboratory: Laboratory,
        goal: Goal,
        cores: int,
        seconds: float,
        predict: Callable[[Setting], float],
        say: Callable[[str], None],
    ):
        self.laboratory = laboratory
        self.goal = goal
        self.cores = cores
        self.seconds = seconds
        self.predict = predict
        self.say = say
        self.began = time.monotonic()
        self.turn = 0
        self.table: dict[Setting, dict[int, float]] = {}
        self.closed: dict[Setting, list[Measurement]] = {}
        self.carried: list[Carried] = []
        self.cuts: list[Cut] = []
        self.order = random.Random(0)  # noqa: S311 (the order of measurements)

    def run(self, candidates: Sequence[Setting], current: Setting | None) -> Outcome:
        """Finds the setting for the goal; ``current`` is what the model has now, measured for comparison."""
        starters = [*candidates, *([current] if current and current not in candidates else [])]
        self.race(starters, RACE_UNTIL, MOST_ROUNDS if self.goal.rps is None else FEWEST_ROUNDS)
        leader = self.leader()
        for _ in range(MOST_STEPS if self.goal.rps is None else 0):
            around = self.promising_neighbours(leader)
            if not around or self.is_late(STEPS_UNTIL):
                break
            self.race([leader, *around], STEPS_UNTIL, MOST_ROUNDS)
            before, leader = leader, self.leader()
            if leader == before:
                break
        outcome = self.find_cheapest() if self.goal.rps else self.find_fastest()
        self.draw_curve(outcome.winner)
        outcome.standings, outcome.carried, outcome.cuts = compare(self.table), self.carried, self.cuts
        outcome.noise = fit_rounds(self.table).noise
        return outcome

    def promising_neighbours(self, leader: Setting) -> list[Setting]:
        """The neighbours that were not served yet, without those that the handler's times speak against."""
        around = [each for each in neighbours(leader, self.cores) if each not in self.table]
        least = HOPELESS * self.predict(leader)
        return [each for each in around if not self.predict(each) < least]  # nan is no verdict

    def is_late(self, share: float) -> bool:
        return time.monotonic() - self.began > share * self.seconds

    def leader(self) -> Setting:
        """The setting that wins with what is known. Raises MarinaError where nothing could be measured."""
        standings = compare(self.table)
        if not standings:
            raise MarinaError("no setting could be measured; the errors are above and in the rows")
        return choose(standings, simplicity)

    def race(self, settings: Sequence[Setting], until: float, most_rounds: int) -> None:
        """Rounds over the settings, fewer with each, until the answer is clear or time is over."""
        running = list(settings)
        for lap in range(most_rounds):
            if lap >= FEWEST_ROUNDS and self.is_late(until):
                break
            self.turn += 1
            for setting in self.order.sample(running, len(running)):
                if not lap or not self.is_late(1):
                    self.measure_closed(setting)
            standings = compare({each: self.table[each] for each in settings if each in self.table})
            left = survivors(standings)
            self.tell_cuts(standings, [each for each in running if each not in left], lap + 1)
            running = [each for each in running if each in left]
            if is_decided(standings):
                break

    def measure_closed(self, setting: Setting) -> None:
        known = [row.requests_per_s for row in self.closed.get(setting, [])]
        expected = known[0] if known else self.fastest()
        row = self.laboratory.closed(setting, self.turn, expected)
        if row.error or not row.requests_per_s:
            self.cuts.append(Cut(str(setting), row.error or "it answered nothing"))
            return
        if row.failed:
            self.cuts.append(Cut(str(setting), f"{row.failed} of {row.requests} requests failed"))
            return
        self.table.setdefault(setting, {})[self.turn] = row.requests_per_s
        self.closed.setdefault(setting, []).append(row)

    def fastest(self) -> float:
        return max((row.requests_per_s for rows in self.closed.values() for row in rows), default=100.0)

    def tell_cuts(self, standings: Sequence[Standing[Setting]], beaten: Sequence[Setting], laps: int) -> None:
        for standing in standings:
            if standing.key in beaten:
                reach = f"at most {standing.high:.0%}" if standing.rounds > 1 else f"{standing.ratio:.0%}"
                self.cuts.append(
                    Cut(str(standing.key), f"{reach} of the leader's throughput, {standing.rounds} rounds")
                )
        best = standings[0] if standings else None
        if best:
            self.say(f"{best.key}: {self.throughput(best.key):.0f} requests/s leads {len(standings)} in round {laps}")

    def throughput(self, setting: Setting) -> float:
        """The mean throughput of a setting with every client asking (geometric)."""
        rates = list(self.table[setting].values())
        return math.exp(sum(map(math.log, rates)) / len(rates))

    # The goals.

    def find_fastest(self) -> Outcome:
        """The most throughput; with a p99, the most that arrives and is answered under it."""
        if self.goal.p99_ms is None:
            winner = self.leader()
            self.carried.append(self.find_carried(winner))
            return Outcome(self.goal, winner, True, f"{self.throughput(winner):.0f} requests/s")
        for setting in self.finalists():
            most = max((carried.requests_per_s for carried in self.carried), default=0.0)
            if self.carried and (self.is_late(OPEN_UNTIL) or self.throughput(setting) < most):
                continue  # no setting carries more than it can at most
            self.carried.append(self.find_carried(setting))
        most = max(carried.requests_per_s for carried in self.carried)
        if not most:
            best = min(self.carried, key=lambda carried: carried.p99_ms)
            why = f"a p99 of {self.goal.p99_ms:g} ms was not reached; the best seen was {best.p99_ms:.0f} ms"
            return Outcome(self.goal, best.setting, False, why)
        alike = [each for each in self.carried if each.requests_per_s >= (1 - SAME_CARRIED) * most]
        chosen = min(alike, key=lambda carried: simplicity(carried.setting))
        why = f"{chosen.requests_per_s:.0f} requests/s arrive and are answered with a p99 under {self.goal.p99_ms:g} ms"
        return Outcome(self.goal, chosen.setting, True, why)

    def finalists(self) -> list[Setting]:
        """The fastest settings, at most one of each shape and build first: the winner of the race, then the others."""
        close = [standing.key for standing in compare(self.table) if standing.ratio >= CLOSE]
        ordered = [self.leader(), *close]
        shapes = {(each.build, each.workers, each.threads): each for each in reversed(ordered)}
        return list(dict.fromkeys([*reversed(shapes.values()), *ordered]))[:FINALISTS]

    def find_carried(self, setting: Setting) -> Carried:
        """The highest rate of arrivals with a p99 within the goal, by halving the ladder; 0 where even its foot is not.

        Between the last rung that held and the first that did not, the logarithm of p99 is taken as a line.
        """
        top = self.throughput(setting)
        held, lost = -1, len(LADDER)
        rows: dict[int, Measurement] = {}
        while lost - held > 1 and not (rows and held >= 0 and self.is_late(1)):
            middle = (held + lost + 1) // 2 if rows else LADDER.index(0.8)
            rows[middle] = self.try_rate(setting, LADDER[middle] * top)
            held, lost = (middle, lost) if self.goal.is_met(rows[middle]) else (held, middle)
        if held < 0:
            return Carried(setting, 0.0, rows[0].p99_ms)
        good = rows[held]
        if lost not in rows or rows[lost].error:
            return Carried(setting, good.load, good.p99_ms)
        return Carried(setting, between(good, rows[lost], self.goal.longest_ms), good.p99_ms)

    def try_rate(self, setting: Setting, rate: float) -> Measurement:
        """A load with arrivals; where it misses the goal, another one, and the better of the two.

        A p99 is a few requests of hundreds: something else on the machine for a moment is enough to spoil one.
        """
        first = self.laboratory.open(setting, rate, seed=1)
        if self.goal.is_met(first):
            return first
        second = self.laboratory.open(setting, rate, seed=2)
        return second if self.goal.is_met(second) else first

    def carries(self, setting: Setting, rate: float) -> list[Measurement]:
        """The loads, two of at most three, in which a setting carried the rate within the goal; [] where it did not."""
        good: list[Measurement] = []
        for seed in (1, 2, 3):
            row = self.laboratory.open(setting, rate, seed)
            good += [row] if self.goal.is_met(row) else []
            if len(good) == 2 or (seed == 2 and not good):
                break
        return good if len(good) == 2 else []

    def find_cheapest(self) -> Outcome:
        """Of the settings that carry the rate, the one with the least CPU time, then the least memory."""
        rate = self.goal.rps or 0.0
        able = sorted((each for each in self.table if self.throughput(each) >= rate), key=self.cost)
        passed: list[Measurement] = []
        for tried, setting in enumerate(able[: 2 * FINALISTS]):
            if tried and self.is_late(OPEN_UNTIL):
                break
            rows = self.carries(setting, rate)
            if rows:
                passed.append(rows[0])
                self.carried.append(Carried(setting, rate, max(row.p99_ms for row in rows)))
        if not passed:
            return self.explain_unreached(rate)
        least = min(row.cpu_ms_per_request for row in passed)
        alike = [row for row in passed if row.cpu_ms_per_request <= (1 + SAME_COST) * least]
        winner = min(alike, key=lambda row: (row.workers * row.threads, round(row.rss_mb, -1), simplicity(row.setting)))
        busy = winner.cpu_ms_per_request * rate / 1000
        why = f"{rate:g} requests/s take {busy:.2f} of {self.cores} cores and {winner.rss_mb:.0f} MB in its workers"
        return Outcome(self.goal, winner.setting, True, why)

    def cost(self, setting: Setting) -> tuple[float, float, tuple[int, ...]]:
        """What a setting takes, as far as a closed loop tells: cores that it may fill, then CPU time a request."""
        rows = self.closed[setting]
        cpu_ms = sum(row.cpu_ms_per_request for row in rows) / len(rows)
        return min(self.cores, setting.workers * setting.threads), round(cpu_ms, 1), simplicity(setting)

    def explain_unreached(self, rate: float) -> Outcome:
        """The setting that carries most, where none carries what is asked for."""
        winner = self.leader()
        carried = self.find_carried(winner)
        self.carried.append(carried)
        if carried.requests_per_s >= rate:
            limit = (
                f"{rate:g} requests/s were not carried in two loads of three, and {carried.requests_per_s:.0f} in one"
            )
        else:
            limit = f"{rate:g} requests/s are not carried; the most was {carried.requests_per_s:.0f} requests/s"
        return Outcome(self.goal, winner, False, f"{limit} with a p99 of {carried.p99_ms:.0f} ms")

    def draw_curve(self, setting: Setting) -> None:
        """More rates for the winner's curve of latency against load."""
        for share in CURVE:
            if self.is_late(1) and share != 0.5:  # half the load is told in any case
                continue
            self.laboratory.open(setting, share * self.throughput(setting), seed=1)


def between(held: Measurement, lost: Measurement, limit_ms: float) -> float:
    """The rate at which p99 crosses the limit; no higher than the rate that was lost."""
    if lost.p99_ms <= max(held.p99_ms, limit_ms):  # lost for another reason
        return held.load
    share = math.log(limit_ms / held.p99_ms) / math.log(lost.p99_ms / held.p99_ms)
    return held.load + min(1.0, max(0.0, share)) * (lost.load - held.load)
