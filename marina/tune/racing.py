"""Which settings are worth measuring on, and which one wins: the statistics of a race.

All settings of a round are measured one after another, so what slows the machine in that round slows them alike. The
logarithm of a throughput is taken as the setting's own plus the round's plus noise (two-way analysis of variance,
least squares), which compares settings also where they were not measured in the same rounds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Generic, TypeVar

import numpy as np

# A difference that nobody would notice: settings within it are equally good, and the simpler one wins.
INDIFFERENCE = 0.025
CONFIDENCE = 0.99  # more than 0.95, because a race asks often
# What is known before anything was measured: noise of 2 %, as if from 3 further measurements. It keeps two values
# that happen to agree from looking certain.
EXPECTED_NOISE, EXPECTED_WEIGHT = 0.02, 3
FEWEST_ROUNDS = 2
HOPELESS = 0.7  # of the leader after a single round

Key = TypeVar("Key")
Table = Mapping[Key, Mapping[int, float]]  # setting -> round -> requests/s


@dataclass(frozen=True)
class Standing(Generic[Key]):
    """How a setting compares with the leader: as a ratio of throughputs (1 is the same), and its interval."""

    key: Key
    ratio: float
    low: float
    high: float
    rounds: int

    @property
    def is_tied(self) -> bool:
        return self.ratio >= 1 - INDIFFERENCE

    @property
    def is_settled(self) -> bool:
        """Whether more measuring would hardly change what is known of it."""
        return self.high < 1 - INDIFFERENCE or self.low >= 1 - 2 * INDIFFERENCE

    @property
    def is_beaten(self) -> bool:
        """Whether it is surely slower, and by more than nobody would notice; or hopeless at first sight."""
        return self.high < 1 and self.ratio < (HOPELESS if self.rounds < FEWEST_ROUNDS else 1 - INDIFFERENCE)


@dataclass(frozen=True)
class Fit(Generic[Key]):
    """The logarithms of the settings' throughputs, what is uncertain of them, and the noise of one measurement."""

    keys: Sequence[Key]
    effects: Any  # of the keys, in their order
    covariance: Any
    freedom: int
    noise: float  # as a share: 0.02 is 2 %


def fit_rounds(table: "Table[Key]") -> Fit[Key]:
    """Throughput as the setting's own times the round's, fitted to everything that was measured."""
    measured = [(key, number, value) for key, rounds in table.items() for number, value in rounds.items()]
    keys, numbers = list(table), sorted({number for _, number, _ in measured})
    design = np.zeros((len(measured), len(keys) + len(numbers)))
    for row, (key, number, _) in enumerate(measured):
        design[row, keys.index(key)] = design[row, len(keys) + numbers.index(number)] = 1
    logs = np.log([max(value, 1e-9) for _, _, value in measured])
    effects, _, rank, _ = np.linalg.lstsq(design, logs, rcond=None)
    spread = float(((logs - design @ effects) ** 2).sum()) + EXPECTED_WEIGHT * EXPECTED_NOISE**2
    freedom = len(measured) - int(rank) + EXPECTED_WEIGHT
    covariance = np.linalg.pinv(design.T @ design) * spread / freedom
    return Fit(keys, effects[: len(keys)], covariance, freedom, math.sqrt(spread / freedom))


def compare(table: "Table[Key]") -> list[Standing[Key]]:
    """Every setting's standing against the fastest one, best first."""
    if not any(table.values()):
        return []
    fit = fit_rounds(table)
    leader = int(np.argmax(fit.effects))
    reach = t_quantile(0.5 + CONFIDENCE / 2, fit.freedom)
    standings = [stand(fit, index, leader, reach, len(table[key])) for index, key in enumerate(fit.keys)]
    return sorted(standings, key=lambda standing: -standing.ratio)


def stand(fit: Fit[Key], index: int, leader: int, reach: float, rounds: int) -> Standing[Key]:
    difference = float(fit.effects[index] - fit.effects[leader])
    spread = fit.covariance
    variance = spread[index, index] + spread[leader, leader] - 2 * spread[index, leader]
    half = reach * math.sqrt(max(0.0, float(variance)))
    low, high = math.exp(difference - half), math.exp(difference + half)
    return Standing(fit.keys[index], math.exp(difference), low, high, rounds)


def t_quantile(probability: float, freedom: int) -> float:
    """Student's t, from the normal quantile by Cornish and Fisher (Abramowitz and Stegun 26.7.5); 3 or more degrees."""
    x = NormalDist().inv_cdf(probability)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + float(sum(term / freedom**power for power, term in enumerate(terms, 1)))


def survivors(standings: Sequence[Standing[Key]]) -> list[Key]:
    """Those that may still win."""
    return [standing.key for standing in standings if not standing.is_beaten]


def is_decided(standings: Sequence[Standing[Key]]) -> bool:
    """Whether more measuring would not change the answer: one is left, or all are as good, or surely not."""
    running = [standing for standing in standings if not standing.is_beaten]
    seen = all(standing.rounds >= FEWEST_ROUNDS for standing in running)
    return seen and all(standing.is_settled for standing in running[1:])


def choose(standings: Sequence[Standing[Key]], simplicity: Callable[[Key], Any]) -> Key:
    """The simplest of those that are as good as the best; what was seen once wins only where nothing was seen twice."""
    sure = [standing for standing in standings if standing.rounds >= FEWEST_ROUNDS] or list(standings)
    best = max(standing.ratio for standing in sure)
    tied = [standing.key for standing in sure if standing.ratio >= best * (1 - INDIFFERENCE)]
    return min(tied, key=simplicity)
