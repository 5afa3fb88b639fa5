"""The whole grid, measured as the search measures: what the search's answer is judged by."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from marina.tune.laboratory import Laboratory
from marina.tune.racing import compare
from marina.tune.settings import DELAYS_MS, Setting, whole_grid

# Turns of their own, so that rounds of the search and of the grid are never compared.
GRID_TURN, FINAL_TURN = 1000, 2000
FINALISTS, FINAL_ROUNDS = 4, 5
SECONDS_A_SETTING = 8  # registering, warming up, measuring: for the estimate


@dataclass(frozen=True)
class Verdict:
    """The search's winner beside the best of the grid, both measured again in alternating rounds."""

    grid: int
    grid_seconds: float
    search_seconds: float
    best: Setting
    winner: Setting
    ratio: float  # of the winner's throughput to the best's; may be above 1
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"The search took {self.search_seconds:.0f} s and the grid of {self.grid} settings "
            f"{self.grid_seconds:.0f} s ({self.search_seconds / self.grid_seconds:.0%}). "
            f"Its winner, {self.winner}, serves {self.ratio:.1%} ({self.low:.1%} to {self.high:.1%}) "
            f"of the grid's best, {self.best}."
        )


def exhaustive_grid(builds: Iterable[tuple[str, str]], cores: int) -> list[Setting]:
    """Every setting with the shortest and the longest delay: clients who do not pause fill batches with any."""
    return [each for each in whole_grid(builds, cores) if each.delay_ms in (min(DELAYS_MS), max(DELAYS_MS))]


def try_all(
    laboratory: Laboratory, grid: Sequence[Setting], winner: Setting, search_seconds: float, say: Callable[[str], None]
) -> Verdict:
    """Measures every setting once, then the fastest of them and the search's winner in rounds.

    The winner's build comes first: how long a setting is measured goes by the fastest until then.
    """
    began = time.monotonic()
    found: dict[Setting, float] = {}
    for number, setting in enumerate(sorted(grid, key=lambda each: each.build != winner.build), 1):
        say(f"Grid: {number} of {len(grid)}")
        row = laboratory.closed(setting, GRID_TURN, max(found.values(), default=100.0))
        if not row.error and not row.failed:
            found[setting] = row.requests_per_s
    grid_seconds = time.monotonic() - began
    fastest = sorted(found, key=lambda setting: -found[setting])[:FINALISTS]
    finalists = list(dict.fromkeys([winner, *fastest]))
    table: dict[Setting, dict[int, float]] = {each: {} for each in finalists}
    for turn in range(FINAL_TURN, FINAL_TURN + FINAL_ROUNDS):
        for setting in finalists:
            row = laboratory.closed(setting, turn, max(found.values()))
            if not row.error:
                table[setting][turn] = row.requests_per_s
    standings = compare({setting: rounds for setting, rounds in table.items() if rounds})
    best = next(standing.key for standing in standings if standing.key in found)
    (mine,) = (standing for standing in standings if standing.key == winner)
    (reference,) = (standing for standing in standings if standing.key == best)
    low, high = mine.low / reference.ratio, mine.high / reference.ratio
    return Verdict(len(grid), grid_seconds, search_seconds, best, winner, mine.ratio / reference.ratio, low, high)
