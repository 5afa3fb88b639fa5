"""How many users are carried is found by trying few numbers."""

import pytest

from benchmarks.most_users import RESOLUTION, find_most_users


@pytest.mark.parametrize("limit", [0, 3, 5, 74, 75, 99, 150, 173, 390])
def test_the_limit_is_found_to_the_resolution_wherever_it_is(limit: int) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= limit

    found = find_most_users(holds, 75, 400)
    assert found <= limit
    assert limit - found <= RESOLUTION
    assert len(set(tried)) == len(tried) <= 12


def test_no_more_users_are_tried_than_allowed() -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return True

    assert find_most_users(holds, 75, 150) == max(tried) <= 150
