"""Texts in windows, windows in slices, and answers that do not depend on either."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.settings import SettingsError
from handlers.texts import GROUP_TOKENS, cut_windows, group_texts, make_slices, own_ranges
from tests.handlers.conftest import ask, start, texts
from tests.handlers.test_bad_texts import BAD
from tests.tiny import write_tiny_names, write_tiny_readability


@given(st.integers(0, 5000), st.integers(2, 300), st.data())
def test_windows_cover_everything_and_share_what_they_should(length: int, room: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, room - 1))
    windows = cut_windows(length, room, overlap)
    assert windows[0][0] == 0
    assert windows[-1][1] == length
    assert all(end - start <= room for start, end in windows)
    for left, right in pairwise(windows):
        assert right[0] > left[0]
        assert left[1] - right[0] >= overlap
    assert [part for start, end in own_ranges(windows) for part in range(start, end)] == list(range(length))
    assert len({end - start for start, end in windows}) == 1
    # No fewer windows would do.
    assert len(windows) == 1 or (len(windows) - 1) * (room - overlap) + overlap < length


@given(st.lists(st.integers(1, 512), max_size=60), st.integers(1, 4096))
def test_slices_hold_each_window_once_and_little_padding(lengths: list[int], most_tokens: int) -> None:
    slices = make_slices(lengths, most_tokens)
    assert sorted(index for members in slices for index in members) == list(range(len(lengths)))
    computed = 0
    for members in slices:
        size = max(lengths[index] for index in members) * len(members)
        assert size <= most_tokens or len(members) == 1
        computed += size
    assert computed - sum(lengths) <= 0.1 * computed


@given(st.lists(st.integers(1, 30_000), max_size=40))
def test_groups_hold_each_text_once_the_shortest_first(lengths: list[int]) -> None:
    groups = group_texts(lengths)
    order = [lengths[index] for group in groups for index in group]
    assert order == sorted(lengths)
    assert all(len(group) == 1 or sum(lengths[index] for index in group) <= GROUP_TOKENS for group in groups)


@settings(deadline=None, max_examples=60)
@given(st.lists(texts | st.sampled_from([case[0] for case in BAD.values()]), min_size=1, max_size=10))
def test_any_mix_of_texts_is_answered_as_each_alone(names: Any, easy: Any, batch: list[object]) -> None:
    for handler in (names, easy):
        for (status, body), text in zip(ask(handler, *batch), batch, strict=True):
            ((alone_status, alone),) = ask(handler, text)
            assert status == alone_status
            assert body == pytest.approx(alone) if isinstance(alone, dict) else body == alone


def test_padding_is_counted_and_little(names: Any) -> None:
    ask(names, *("the cat " * count for count in range(1, 60)))
    assert names.counts["TokensComputed"] > 59 * 60
    assert names.counts["TokensPadded"] < 0.1 * names.counts["TokensComputed"]


def test_long_texts_cost_a_batch_no_more_than_its_time(easy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time runs out, the longest are not done; the others are answered, and the worker lives."""
    now = [0.0]
    run = easy.run_windows

    def run_slowly(texts: Any) -> Any:
        now[0] += 11  # half of the 20 s that the server gives are 10
        return run(texts)

    monkeypatch.setattr("handlers.deadlines.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("handlers.texts.GROUP_TOKENS", 50)
    monkeypatch.setattr(easy, "run_windows", run_slowly)
    answers = ask(easy, "the cat " * 200, "the cat", "the cat " * 100, "Ada")
    assert [status for status, _ in answers] == [504, 200, 504, 200]
    assert answers[0][1]["type"] == "DeadlineExceeded"


@pytest.mark.parametrize(
    ("write", "change"),
    [
        (write_tiny_readability, ("task: readability", "task: readability\n  over_limit: guess")),
        (write_tiny_names, ("overlap: 8", "overlap: 31")),
    ],
)
def test_settings_that_can_not_work_are_refused(
    folders: Callable[..., Path], write: Callable[..., None], change: tuple[str, str]
) -> None:
    def write_changed(folder: Path) -> None:
        write(folder)
        config = folder / "model-config.yaml"
        config.write_text(config.read_text().replace(*change))

    folder = folders(write_changed)
    with pytest.raises(SettingsError):
        start(folder, json.loads((folder / "settings.json").read_text())["task"])


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_both_runtimes_give_the_same_answers(folders: Callable[..., Path], easy: Any, runtime: str) -> None:
    other = start(folders(write_tiny_readability, f"\n  runtime: {runtime}"), "readability")
    texts = ["the cat", "Ada Lovelace likes the cat", "the cat " * 40]
    assert ask(other, *texts) == ask(easy, *texts)


def test_openvino_sees_few_shapes(folders: Callable[..., Path], easy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new one costs it time, and memory for good."""
    other = start(folders(write_tiny_readability, "\n  runtime: openvino"), "readability")
    model, shapes = other.model, set()

    def watch(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        shapes.add(ids.shape)
        return model(ids, mask)

    monkeypatch.setattr(other, "model", watch)
    texts = ["the cat " * count for count in range(1, 12)]
    assert ask(other, *texts) == ask(easy, *texts)
    longest = other.settings.max_tokens
    assert shapes
    assert all(rows % 2 == 0 and (length % 8 == 0 or length == longest) for rows, length in shapes)


def test_inputs_are_handed_over_by_name(folders: Callable[..., Path], easy: Any) -> None:
    """Exporters differ in the order of the inputs, and some graphs want token types."""

    def write(folder: Path, names: tuple[str, ...]) -> None:
        write_tiny_readability(folder)
        model = onnx.load(folder / "graph.onnx")
        inputs = {value.name: value for value in model.graph.input}
        inputs["token_type_ids"] = onnx.helper.make_tensor_value_info("token_type_ids", 7, ["batch", "length"])
        inputs["pixels"] = onnx.helper.make_tensor_value_info("pixels", 7, ["batch", "length"])
        del model.graph.input[:]
        model.graph.input.extend(inputs[name] for name in names)
        onnx.save(model, folder / "graph.onnx")

    for names in (("attention_mask", "input_ids"), ("input_ids", "token_type_ids", "attention_mask")):
        handler = start(folders(write, names), "readability")
        assert ask(handler, "the cat Ada", "the") == ask(easy, "the cat Ada", "the")
    with pytest.raises(SettingsError, match="pixels"):
        start(folders(write, ("input_ids", "attention_mask", "pixels")), "readability")
