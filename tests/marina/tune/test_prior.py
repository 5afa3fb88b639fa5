"""What the handler's own times promise."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marina.errors import MarinaError
from marina.tune.prior import Timing, predict, promising
from marina.tune.settings import BATCH_SIZES, Setting
from tests.marina.tune.made_up import PLAIN


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


def test_no_batch_is_tried_that_the_clients_would_not_fill_while_others_are_computed() -> None:
    chosen, _ = promising([timing(PLAIN.build, 1, 0.001, 0.05)], 2, 50, 1000, None, 8)
    assert (chosen[0].workers, chosen[0].batch_size) == (2, 16)
    chosen, _ = promising([timing(PLAIN.build, 1, 0.001, 0.05)], 2, 96, 1000, None, 8)
    assert (chosen[0].workers, chosen[0].batch_size) == (2, 32)


def test_a_rate_asks_for_few_cores_first() -> None:
    timings = [timing(PLAIN.build, 1, 0.01, 0.001), timing(PLAIN.build, 2, 0.006, 0.001)]
    chosen, _ = promising(timings, 2, 50, 1000, 50, 8)
    assert (chosen[0].workers, chosen[0].threads) == (1, 1)


def test_a_p99_below_a_single_request_is_refused_at_once() -> None:
    with pytest.raises(MarinaError, match=r"11\.0 ms"):
        promising([timing(PLAIN.build, 1, 0.01, 0.001)], 2, 50, 5, None, 8)
