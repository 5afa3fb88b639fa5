"""Every place that an archive can live at; the tests that ask for one run at each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import InProcess, Place
from tests.servers import RunningServer, start_server


@pytest.fixture(scope="session")
def mms(store: Path) -> Iterator[RunningServer]:
    """A real nginx and MMS with every archive; for tests that leave it as it is."""
    with start_server("--store", store, "--server", "mms") as running:
        yield running


@pytest.fixture(scope="session")
def in_process(store: Path) -> Iterator[InProcess]:
    place = InProcess(store)
    yield place
    place.close()


@pytest.fixture(scope="session", params=["torchserve", "mms"])
def server(request: pytest.FixtureRequest) -> RunningServer:
    """Each model server behind its door, for what HTTP adds to the answers."""
    found: RunningServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session", params=["in_process", "torchserve", "mms"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each place that answers predictions."""
    found: Place = request.getfixturevalue(request.param)
    return found
