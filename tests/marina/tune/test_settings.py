"""The knobs, and which settings are neighbours."""

from hypothesis import given
from hypothesis import strategies as st

from marina.tune.settings import Setting, neighbours, shapes, whole_grid
from tests.marina.tune.made_up import SETTINGS


@given(st.integers(1, 64))
def test_shapes_fill_the_cores_and_hardly_more(cores: int) -> None:
    found = shapes(cores)
    assert (1, 1) in found
    assert (1, cores) in found
    assert (cores, 1) in found
    assert all(workers * threads <= cores + threads for workers, threads in found)
    assert len(found) == len(set(found))


@given(SETTINGS, st.integers(1, 16))
def test_neighbours_differ_in_one_knob(setting: Setting, cores: int) -> None:
    for other in neighbours(setting, cores):
        changed = [
            other.batch_size != setting.batch_size,
            other.delay_ms != setting.delay_ms,
            (other.workers, other.threads) != (setting.workers, setting.threads),
        ]
        assert sum(changed) == 1
        assert other.build == setting.build


def test_every_neighbour_of_the_grid_is_in_the_grid() -> None:
    grid = whole_grid([("float32", "openvino"), ("int8", "openvino")], 2)
    assert len(grid) == len(set(grid))
    assert {other for setting in grid for other in neighbours(setting, 2)} <= set(grid)
