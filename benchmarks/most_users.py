"""How many users a server carries: the highest number that holds a condition, found by trying."""

from collections.abc import Callable

RESOLUTION = 5  # users


def find_most_users(holds: Callable[[int], bool], first: int, most: int) -> int:
    """The highest number of users that ``holds``, to the resolution; 0 where none does.

    Taken that more users never hold where fewer do not. It rises from ``first`` by a third until a number does not
    hold or is above ``most``, then halves what lies between.
    """
    good, bad = 0, first
    while bad <= most and holds(bad):
        good, bad = bad, bad + max(1, bad // 3 // RESOLUTION) * RESOLUTION
    while bad <= most and bad - good > RESOLUTION:
        middle = good + max(1, (bad - good) // RESOLUTION // 2) * RESOLUTION
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good
