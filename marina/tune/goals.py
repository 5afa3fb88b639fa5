"""What is wanted of a model, and the answer that a search gives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from marina.tune.builds import Cut
from marina.tune.racing import Standing
from marina.tune.rows import Measurement
from marina.tune.settings import Setting

SANE_P99_MS = 1000.0  # where none is asked for: past it, a queue only grows
CARRIED_SHARE = 0.97  # of the arrivals that must be answered in their time


@dataclass(frozen=True)
class Goal:
    """The most throughput, under a p99 if one is given; or the fewest resources that carry ``rps`` requests/s."""

    p99_ms: float | None = None
    rps: float | None = None

    @property
    def longest_ms(self) -> float:
        return self.p99_ms or SANE_P99_MS

    def __str__(self) -> str:
        limit = f", p99 under {self.p99_ms:g} ms" if self.p99_ms else ""
        if self.rps:
            return f"the fewest resources that carry {self.rps:g} requests/s{limit}"
        return f"the most requests/s{limit}"

    def is_met(self, measurement: Measurement) -> bool:
        """Whether a load with arrivals was carried: answered in full, in time, and under the p99."""
        answered = measurement.requests - measurement.failed
        return (
            not measurement.error
            and measurement.failed == 0
            and answered > 0
            and measurement.p99_ms <= self.longest_ms
            and measurement.requests_per_s >= CARRIED_SHARE * measurement.load * arrived_share(measurement)
        )


def arrived_share(measurement: Measurement) -> float:
    """How many of the arrivals that the rate promises chance really brought."""
    expected = measurement.load * measurement.seconds
    return measurement.requests / expected if expected else 1.0


@dataclass(frozen=True)
class Carried:
    """The highest rate of arrivals that a setting answers under a p99, and that p99."""

    setting: Setting
    requests_per_s: float
    p99_ms: float


@dataclass
class Outcome:
    """What a search found, whether the goal was met or not."""

    goal: Goal
    winner: Setting
    met: bool
    why: str  # in a sentence
    standings: Sequence[Standing[Setting]] = ()
    carried: list[Carried] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    seconds: float = math.nan
    noise: float = math.nan  # of one throughput, as a share

    def carried_by(self, setting: Setting) -> Carried | None:
        return next((carried for carried in self.carried if carried.setting == setting), None)
