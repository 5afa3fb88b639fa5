"""From requests a second to machines and money."""

import math
from dataclasses import dataclass

HOURS_A_MONTH = 730  # 8,760 a year


@dataclass(frozen=True)
class Fleet:
    """So many machines for a load, each able to carry so much."""

    machines: int
    headroom: float  # share of what they carry together that stays free
    cost_a_month: float | None


def plan_fleet(requests_per_s: float, carried_per_s: float, price_an_hour: float | None) -> Fleet:
    """The fewest machines for a load, of which one carries ``carried_per_s``; the price is one machine's."""
    if carried_per_s <= 0:
        raise ValueError("a machine that carries nothing carries no load")
    machines = max(1, math.ceil(requests_per_s / carried_per_s - 1e-9))
    headroom = 1 - requests_per_s / (machines * carried_per_s)
    return Fleet(machines, headroom, None if price_an_hour is None else machines * price_an_hour * HOURS_A_MONTH)


def cost_a_million(carried_per_s: float, price_an_hour: float) -> float:
    """What a million requests cost on a machine that is kept busy with all that it carries."""
    if carried_per_s <= 0:
        raise ValueError("a machine that carries nothing carries no load")
    return price_an_hour / (carried_per_s * 3600) * 1e6
