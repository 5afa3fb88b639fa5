"""What the tests share: pictures, a model made from nothing, and real servers."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image

from tests.servers import RunningServer, start_server
from tests.tiny import (
    write_own_task,
    write_tiny_ensemble,
    write_tiny_handwriting,
    write_tiny_model,
    write_tiny_names,
    write_tiny_readability,
)

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes depends on what else the machine does; pytest's own timeout ends a test that hangs.
settings.register_profile("marina", deadline=None)
settings.load_profile("marina")


@pytest.fixture(scope="session", autouse=True)
def cache() -> Iterator[None]:
    """The archives that are served are copied into the checkout, not into the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        if "MARINA_CACHE" not in os.environ:
            patch.setenv("MARINA_CACHE", str(ROOT / ".pytest_cache" / "marina"))
        yield


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A 500 x 375 picture, as a camera gives it."""
    gradient = Image.linear_gradient("L").resize((500, 375))
    picture = Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient))
    return encode(picture, "JPEG", quality=90)


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file of that format."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models' folders: ``colours``, ``brightness`` with a task of its own, the ensembles ``votes`` and ``strokes``, and
    ``names`` and ``easy`` for texts.
    """
    models = tmp_path_factory.mktemp("models")
    write_tiny_model(models / "colours")
    write_own_task(models / "brightness")
    write_tiny_ensemble(models / "votes")
    write_tiny_handwriting(models / "strokes")
    write_tiny_names(models / "names")
    write_tiny_readability(models / "easy")
    return models


@pytest.fixture(scope="session")
def tiny_archive(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from marina.archive import build_archive

    path, _ = build_archive(tiny_models / "colours", tmp_path_factory.mktemp("store"))
    return path


@pytest.fixture(scope="session")
def store(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every shipped model's archive, and the tiny ones."""
    from marina.archive import build_archive

    folder = tmp_path_factory.mktemp("all")
    for models in (ROOT / "models", tiny_models):
        for config in sorted(models.glob("*/model-config.yaml")):
            build_archive(config.parent, folder)
    return folder


@pytest.fixture(scope="session")
def torchserve(store: Path) -> Iterator[RunningServer]:
    """A real nginx and TorchServe with every archive; for tests that leave it as it is."""
    with start_server("--store", store) as running:
        yield running


@pytest.fixture(scope="session")
def server(torchserve: RunningServer) -> RunningServer:
    """The server that is started where nothing else is asked for."""
    return torchserve


@pytest.fixture
def new_server() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers of the test's own, with the options given."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(start_server(*options))
