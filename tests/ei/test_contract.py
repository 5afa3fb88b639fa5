"""The contract, unchanged, as far as it is about ants and bees."""

from pathlib import Path

import pytest

from marina.local import LocalModel
from tests.conftest import ROOT
from tests.contract.test_answers import (  # noqa: F401 (run here)
    test_an_answer_is_every_label_most_likely_first,
    test_an_answer_tells_its_times_and_its_batch,
    test_curl_as_the_readme_has_it,
    test_every_way_to_send_a_picture_gives_the_same_answer,
)
from tests.contract.test_bad_input import *  # noqa: F403 (all of it is about ants and bees)
from tests.servers import RunningServer

SAMPLES = sorted((ROOT / "models/resnet18/samples").glob("*.jpg"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_its_answers_are_those_of_the_graph_in_float32(
    server: RunningServer, float32: LocalModel, sample: Path
) -> None:
    """Another torch, another Pillow, the same weights: the probabilities differ by what resizing does at most."""
    answer, expected = server.predict("resnet18", sample.read_bytes()).json(), float32(sample)
    assert next(iter(answer)) == next(iter(expected))
    assert answer == pytest.approx(expected, abs=0.02)
