"""Several models, one answer: the mean of what they hold likely, each picture for itself."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handlers.image_ensemble import EnsembleSettings, ImageEnsemble
from handlers.local import LocalContext, answer_batch
from handlers.payloads import Payload
from handlers.settings import SettingsError
from marina.archive import Elsewhere, build_archive
from marina.errors import MarinaError
from marina.verify import read_archive, read_provenance
from tests.conftest import encode
from tests.handlers.conftest import start
from tests.tiny import MEMBERS, write_tiny_ensemble

SWAPPED = np.eye(3)[[1, 0, 2]]  # takes red for green and green for red


def picture(colour: tuple[int, int, int], width: int = 40, height: int = 40) -> bytes:
    return encode(Image.new("RGB", (width, height), colour), "PNG")


RED, GREEN, BLUE = (picture(colour) for colour in ((240, 10, 10), (10, 240, 10), (10, 10, 240)))
BLACK, WHITE, REDDISH = (picture(colour) for colour in ((0, 0, 0), (255, 255, 255), (200, 100, 0)))
JSON = {"Content-Type": "application/json"}
GOOD = [({"body": body}, {}) for body in (RED, GREEN, BLUE, BLACK, picture((9, 99, 9), 30, 70))]
BAD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"body": picture((9, 9, 9), 1, 10_000)}, {}),
    ({"body": b"no picture"}, {}),
    ({"body": RED[:50]}, {}),
    ({"body": b""}, {}),
    ({"body": b'{"image": "!"}'}, JSON),
    ({"body": b'{"image": ""}'}, JSON),
    ({"body": b"{}"}, JSON),
    ({"body": b"null"}, JSON),
    ({"body": RED + bytes(200_000)}, {}),
]


def ask(handler: Any, *bodies: bytes) -> list[tuple[int, Any]]:
    """One batch of raw pictures."""
    answers = answer_batch(handler.handle, LocalContext("."), [{"body": body} for body in bodies])
    return [(status, json.loads(body)) for status, body in answers]


def answer(handler: Any, body: bytes) -> Any:
    ((status, found),) = ask(handler, body)
    assert status == 200, found
    return found


@pytest.fixture(scope="module")
def ensemble(folders: Callable[..., Path]) -> Any:
    return start(folders(write_tiny_ensemble), "image_ensemble")


@pytest.fixture(scope="module", params=["1", "4"], ids=["one thread", "four threads"])
def threaded(folders: Callable[..., Path], request: pytest.FixtureRequest) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARINA_THREADS", f'{{"model": {request.param}}}')
        handler = ImageEnsemble()
        handler.initialize(LocalContext(folders(write_tiny_ensemble), "model"))
        yield handler


def test_an_answer_holds_the_labels_and_how_each_member_votes(ensemble: Any) -> None:
    found = answer(ensemble, RED)
    assert set(found) == {"answer", "probability", "top", "members"}
    assert found["answer"] == "red"
    assert [line["label"] for line in found["top"]] == ["red", "green", "blue"]
    assert found["probability"] == found["top"][0]["probability"]
    assert sum(line["probability"] for line in found["top"]) == pytest.approx(1, abs=1e-5)
    for line in found["top"]:
        assert list(line["members"]) == list(MEMBERS)
        assert line["probability"] == pytest.approx(sum(line["members"].values()) / 3, abs=2e-6)
    for name, vote in found["members"].items():
        assert vote == {"answer": "red", "probability": found["top"][0]["members"][name]}
    assert found["members"]["unsure"]["probability"] < 0.9 < found["members"]["sure"]["probability"]


def test_two_narrow_votes_lose_to_one_wide_one(folders: Callable[..., Path]) -> None:
    members = {"timid": (32, 0.002), "shy": (32, 0.003), "bold": (48, 0.1 * SWAPPED)}
    found = answer(start(folders(write_tiny_ensemble, "", members), "image_ensemble"), REDDISH)
    assert {name: vote["answer"] for name, vote in found["members"].items()} == {
        "timid": "red",
        "shy": "red",
        "bold": "green",
    }
    assert found["answer"] == "green"


def test_ties_go_to_the_first_label(ensemble: Any) -> None:
    found = answer(ensemble, BLACK)
    assert [line["label"] for line in found["top"]] == ["red", "green", "blue"]
    assert {line["probability"] for line in found["top"]} == {0.333333}
    assert {vote["answer"] for vote in found["members"].values()} == {"red"}


def test_members_of_one_size_share_its_pixels(ensemble: Any) -> None:
    pixels = ensemble.preprocess(Payload(RED))
    assert {size: (each.shape, each.dtype.name) for size, each in pixels.items()} == {
        32: ((32, 32, 3), "uint8"),
        48: ((48, 48, 3), "uint8"),
    }


@settings(deadline=None)
@given(st.lists(st.sampled_from(GOOD + BAD), min_size=1, max_size=12))
def test_any_mix_of_good_and_bad_is_answered_as_each_alone(threaded: Any, batch: list[Any]) -> None:
    def answers(requests: list[Any]) -> list[tuple[int, str]]:
        rows, headers = zip(*requests, strict=True)
        return answer_batch(threaded.handle, LocalContext("."), rows, headers)

    for request, (status, body) in zip(batch, answers(batch), strict=True):
        ((alone_status, alone_body),) = answers([request])
        assert status == alone_status
        assert (status == 200) is (request in GOOD)
        assert status in (200, 400, 413, 422)
        if status == 200:
            assert_same(json.loads(body), json.loads(alone_body))
        else:
            assert body == alone_body


def assert_same(one: Any, other: Any) -> None:
    """Two answers that differ by no more than rounding."""
    assert (one["answer"], one["members"].keys()) == (other["answer"], other["members"].keys())
    for left, right in zip(one["top"], other["top"], strict=True):
        assert left["label"] == right["label"]
        assert left["members"] == pytest.approx(right["members"], abs=2e-6)


def test_a_picture_that_is_nearly_a_line_is_refused_alone(ensemble: Any) -> None:
    (_, good), (status, error) = ask(ensemble, RED, picture((9, 9, 9), 1, 10_000))
    assert good["answer"] == "red"
    assert (status, error["type"]) == (422, "UnusableInput")
    assert "1 x 10000" in error["message"]
    assert [status for status, _ in ask(ensemble, picture((9, 9, 9), 200, 10), picture((9, 9, 9), 201, 10))] == [
        200,
        422,
    ]


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_member_that_gives_no_number_costs_only_the_picture_that_it_was_asked_about(
    folders: Callable[..., Path],
) -> None:
    members = {"sound": (32, 0.1), "overflowing": (48, 1.4e36)}  # 255 times that is no float32
    handler = start(folders(write_tiny_ensemble, "", members), "image_ensemble")
    answers = ask(handler, RED, WHITE, GREEN, BLUE)
    assert [status for status, _ in answers] == [200, 500, 200, 200]
    assert answers[1][1]["type"] == "ModelError"
    assert [found["answer"] for status, found in answers if status == 200] == ["red", "green", "blue"]


SETTINGS = {"task": "image_ensemble", "members": ["a.onnx", "b.onnx"], "sizes": [64, 72], "labels": ["x", "y"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": [64]}, r"handler\.sizes has 1 numbers, but handler\.members has 2 files"),
        ({"sizes": [64, 0]}, r"handler\.sizes"),
        ({"sizes": [64, "72"]}, r"handler\.sizes"),
        ({"sizes": [64, True]}, r"handler\.sizes"),
        ({"sizes": 64}, r"handler\.sizes"),
        ({"members": [], "sizes": []}, r"handler\.members"),
        ({"members": ["a.onnx", "b/a.onnx"]}, r"handler\.members"),
        ({"members": ["a.onnx", 5]}, r"handler\.members"),
        ({"file": "a.onnx"}, r"handler\.file"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        EnsembleSettings({**SETTINGS, **change})


def test_what_is_left_out_has_its_default() -> None:
    settings = EnsembleSettings(SETTINGS)
    assert (settings.top, settings.max_aspect, settings.names) == (5, 20, ["a", "b"])
    assert EnsembleSettings(settings.as_dict()).as_dict() == settings.as_dict()


def test_labels_that_do_not_fit_a_member_are_told_at_the_start(folders: Callable[..., Path]) -> None:
    folder = folders(write_tiny_ensemble)
    document = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**document, "labels": ["red", "green"]}))
    with pytest.raises(SettingsError, match=r"handler\.labels has 2 names, but the member sure has 3 outputs"):
        start(folder, "image_ensemble")


def test_an_archive_holds_every_member_and_their_weights(tmp_path: Path) -> None:
    write_tiny_ensemble(tmp_path / "votes")
    path, ((sample, found),) = build_archive(tmp_path / "votes", tmp_path / "out")
    assert (sample, json.loads(found)["answer"]) == ("red.png", "red")
    contents = read_archive(path)
    wanted = {"sure.onnx", "surer.onnx", "unsure.onnx", "weights.safetensors"}
    assert wanted <= contents.keys()
    assert "graph.onnx" not in contents
    assert wanted <= read_provenance(contents)["files"].keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("unsure.onnx]", "unsure.onnx, lost.onnx]"), r"handler\.sizes has 3 numbers, but handler\.members has 4"),
        (("[sure.onnx", "[lost.onnx"), "no file lost.onnx"),
        (("32, 48]", "32, 64]"), r"unsure.onnx: the graph takes uint8 \(any, 48, 48, 3\)"),
    ],
)
def test_an_archive_that_could_not_work_is_not_built(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    write_tiny_ensemble(tmp_path / "votes")
    config = tmp_path / "votes/model-config.yaml"
    config.write_text(config.read_text().replace(*change))
    with pytest.raises(MarinaError, match=words):
        build_archive(tmp_path / "votes", tmp_path / "out")


def test_torchscript_needs_every_member_as_a_torch_module(tmp_path: Path) -> None:
    write_tiny_ensemble(tmp_path / "votes")
    with pytest.raises(MarinaError, match=r"archive\.module"):
        build_archive(tmp_path / "votes", tmp_path / "out", "torchscript")
    with pytest.raises(MarinaError, match=r"has 3: sure\.pt, surer\.pt, unsure\.pt"):
        build_archive(tmp_path / "votes", tmp_path / "out", "torchscript", None, Elsewhere(tmp_path / "traced.pt"))
