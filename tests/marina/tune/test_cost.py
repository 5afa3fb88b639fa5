"""Machines and their price."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marina.tune.cost import cost_a_million, plan_fleet


@given(st.floats(0.1, 1e5), st.floats(0.1, 1e4), st.floats(0, 100))
def test_machines_carry_the_load_and_one_less_would_not(rate: float, carried: float, price: float) -> None:
    fleet = plan_fleet(rate, carried, price)
    assert fleet.machines * carried >= rate * (1 - 1e-6)
    assert fleet.machines == 1 or (fleet.machines - 1) * carried < rate
    assert fleet.headroom == pytest.approx(1 - rate / (fleet.machines * carried))
    assert fleet.cost_a_month == pytest.approx(fleet.machines * price * 730)


def test_a_million_requests_cost_what_their_time_costs() -> None:
    assert cost_a_million(100, 0.36) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="carries nothing"):
        plan_fleet(10, 0, None)
