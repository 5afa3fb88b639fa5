"""Which settings are worth measuring on, and which one wins, on made-up figures."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marina.tune.racing import (
    INDIFFERENCE,
    choose,
    compare,
    fit_rounds,
    is_decided,
    survivors,
    t_quantile,
)
from marina.tune.settings import Setting, simplicity
from tests.marina.tune.made_up import PLAIN, SETTINGS


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
