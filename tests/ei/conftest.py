"""Ants and bees as the Elastic Inference image has them: its Python, its torch, its MMS, and a stand-in for torcheia.

Asked in process and on MMS behind the same door; what only the service itself could show is not tested.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from marina.archive import Elsewhere, build_archive
from marina.local import LocalModel
from tests.conftest import ROOT
from tests.places import Place
from tests.servers import RunningServer, start_server

PYTHON = os.environ.get("MARINA_EI_PYTHON", "")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, traced and answered by that Python."""
    if not PYTHON:
        pytest.skip("run by make test-ei")
    folder = tmp_path_factory.mktemp("ei")
    traced, weights = folder / "model.pt", ROOT / "models/resnet18/weights.safetensors"
    subprocess.run([PYTHON, ROOT / "deploy/ei/export.py", weights, traced], check=True)
    path, answers = build_archive(
        ROOT / "models/resnet18", folder / "store", "torchscript", "eia", Elsewhere(traced, PYTHON)
    )
    assert answers
    return path.parent


@pytest.fixture(scope="session")
def server(store: Path) -> Iterator[RunningServer]:
    with start_server("--store", store, "--server", "mms", "--server-python", PYTHON, "--workers", "1") as running:
        yield running


@pytest.fixture(scope="session")
def float32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModel]:
    """The shipped graph in float32, in plain Python as it is here."""
    path, _ = build_archive(ROOT / "models/resnet18", tmp_path_factory.mktemp("float32"), "float32", "onnxruntime")
    with LocalModel(path) as model:
        yield model


@pytest.fixture(scope="session")
def place(server: RunningServer) -> Place:
    return server
