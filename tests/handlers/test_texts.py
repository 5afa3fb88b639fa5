"""Texts in windows, windows in slices, and answers that do not depend on either."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.errors import PayloadTooLarge, RequestError
from handlers.local import LocalContext, answer_batch
from handlers.payloads import read_payload
from handlers.settings import SettingsError
from handlers.tasks import load_task
from handlers.texts import GROUP_TOKENS, cut_windows, group_texts, make_slices, own_ranges
from tests.tiny import NAMES, VOCABULARY, write_tiny_names, write_tiny_readability

LONG_WORD = "Chrome" + "book" * 175
# What trips tokenizers: white space of every kind, NUL and other controls, emoji with joiners, combining marks,
# right-to-left, astral letters, half-width forms, special tokens spelt out, a word of 706 characters.
ODD = (
    "\t",
    "\r\n",
    "\n\n",
    "\u00a0",
    "\u2028",
    "\u200b",
    "\ufeff",
    "\0",
    "\x1b[31m",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "e\u0301",
    "a\u0300\u0316",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202eabc",
    "\U0001d504",
    "\uff21",
    "\u5b57",
    "[SEP]",
    "[UNK]",
    LONG_WORD,
)
pieces = st.sampled_from([*NAMES, "Chromebook", "Ada Lovelace", "New York", *ODD]) | st.text(max_size=5)
texts = st.lists(pieces, min_size=1, max_size=30).flatmap(
    lambda parts: st.sampled_from(["", " ", "\n"]).map(lambda gap: gap.join(parts))
)


def start(folder: Path, task: str) -> Any:
    handler = load_task(task)()
    handler.initialize(LocalContext(folder))
    return handler


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Unpacked archives of the tiny text models, with settings of the test's own."""
    from marina.archive import collect
    from marina.model_config import read_model_config

    def make(write: Callable[..., None], *arguments: Any) -> Path:
        folder = tmp_path_factory.mktemp("model") / "model"
        write(folder, *arguments)
        (folder / "settings.json").write_bytes(collect(read_model_config(folder), "float32")["settings.json"])
        return folder

    return make


@pytest.fixture(scope="module")
def names(folders: Callable[..., Path]) -> Any:
    return start(folders(write_tiny_names), "named_entities")


@pytest.fixture(scope="module")
def by_sentence(folders: Callable[..., Path]) -> Any:
    return start(folders(write_tiny_names, "\n  by_sentence: true"), "named_entities")


@pytest.fixture(scope="module")
def easy(folders: Callable[..., Path]) -> Any:
    return start(folders(write_tiny_readability), "readability")


def ask(handler: Any, *texts: object) -> list[tuple[int, Any]]:
    """One batch of texts: str and bytes as raw bodies, anything else as the field of a JSON object."""
    rows, headers = [], []
    for text in texts:
        raw = isinstance(text, bytes | str)
        body = text.encode() if isinstance(text, str) else text if raw else json.dumps({"text": text}).encode()
        rows.append({"body": body})
        headers.append({"Content-Type": "text/plain; charset=utf-8" if raw else "application/json"})
    answers = answer_batch(handler.handle, LocalContext("."), rows, headers)
    return [(status, json.loads(body)) for status, body in answers]


def entities(handler: Any, text: str) -> list[dict[str, Any]]:
    ((status, answer),) = ask(handler, text)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer
    return found


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


@settings(deadline=None, max_examples=300)
@given(texts)
def test_the_offsets_of_an_entity_are_those_of_the_text_as_sent(names: Any, text: str) -> None:
    ((status, answer),) = ask(names, text)
    if status != 200:
        assert status in (400, 422)
        return
    for entity in answer:
        assert text[entity["start"] : entity["end"]] == entity["word"]
        assert entity["word"].strip() == entity["word"] != ""
    ends = [0] + [entity["end"] for entity in answer]
    assert all(entity["start"] >= end for entity, end in zip(answer, ends, strict=False))


@pytest.mark.parametrize("odd", [part for part in ODD if not part.isspace()])
def test_a_name_is_found_behind_whatever_stands_before_it(names: Any, odd: str) -> None:
    text = f"{odd} {odd}\tthe cat likes Ada\tLovelace {odd}"
    found = [(entity["entity_group"], entity["word"]) for entity in entities(names, text)]
    assert ("PER", "Ada\tLovelace") in found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["Ada Lovelace", "New York", "Chromebook"]), min_size=1), st.sampled_from([1, 7, 60]))
def test_nothing_is_lost_or_doubled_where_windows_meet(names: Any, words: list[str], gap: int) -> None:
    text = "".join(f"{'the cat ' * gap}{word}, " for word in words)
    assert [entity["word"] for entity in entities(names, text)] == words


def test_a_document_of_100_000_characters_keeps_every_name(names: Any) -> None:
    text = "".join(f"The cat likes Paris{'.' if number % 3 else ''} and{' ' * 27}" for number in range(1970))
    assert len(text) > 99_000
    found = entities(names, text)
    assert [entity["start"] for entity in found] == [at for at in range(len(text)) if text.startswith("Paris", at)]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["Ada met Paris. ", "The cat sees New York! ", "Is Dr. Ada in? "]), min_size=1, max_size=40
    )
)
def test_by_sentence_each_is_answered_as_alone(by_sentence: Any, parts: list[str]) -> None:
    assert len(by_sentence.encode("".join(parts)).windows) == len(parts)
    expected, offset = [], 0
    for part in parts:
        for entity in entities(by_sentence, part):
            expected.append({**entity, "start": entity["start"] + offset, "end": entity["end"] + offset})
        offset += len(part)
    assert entities(by_sentence, "".join(parts)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the Chromebook", [("MISC", "Chromebook")]),  # word pieces join
        ("Ada Lovelace", [("PER", "Ada Lovelace")]),  # neighbours of one type join
        ("Ada Paris", [("PER", "Ada"), ("LOC", "Paris")]),  # neighbours of different types don't
        ("Ada Ada", [("PER", "Ada Ada")]),
        ("Ada\nLovelace", [("PER", "Ada\nLovelace")]),  # a name may run over the end of a line
        ("Ada\nAda", [("PER", "Ada"), ("PER", "Ada")]),  # two lines of a list
        ("Ada, Paris and Ada", [("PER", "Ada"), ("LOC", "Paris"), ("PER", "Ada")]),
        ("the cat", []),
    ],
)
def test_what_joins_to_one_entity(names: Any, text: str, expected: list[tuple[str, str]]) -> None:
    found = entities(names, text)
    assert [(entity["entity_group"], entity["word"]) for entity in found] == expected
    assert all(0.9 < entity["score"] <= 1 for entity in found)


BAD: dict[str, tuple[object, int, str]] = {
    "empty": ("", 400, "EmptyBody"),
    "empty field": (None, 422, "MissingField"),
    "white space": (" \t\n\u2003", 422, "UnusableInput"),
    "under the minimum": (" a ", 422, "UnusableInput"),
    "only controls": ("\0\x01\0", 422, "UnusableInput"),
    "over the maximum": ("a" * 100_001, 413, "TextTooLong"),
    "too many bytes": ("\U0001f600" * 250_001, 413, "PayloadTooLarge"),
    "no UTF-8": (b"Ada \xff", 400, "WrongEncoding"),
    "half a pair in bytes": (b"Ada \xed\xa0\x80", 400, "WrongEncoding"),
    "a number": (7, 422, "UnusableInput"),
    "a list": (["Ada"], 422, "UnusableInput"),
    "true": (True, 422, "UnusableInput"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_kind_of_bad_text_has_its_status(names: Any, name: str) -> None:
    text, status, kind = BAD[name]
    ((got, body),) = ask(names, text)
    assert (got, body["type"]) == (status, kind)


def test_half_a_surrogate_pair_written_as_json_is_refused(names: Any) -> None:
    for escaped, status in ((b"\\ud83d", 400), (b"\\udc00\\ud800", 400), (b"\\ud83d\\ude00", 200)):
        payload = {"body": b'{"text": "' + escaped + b' Ada"}'}
        headers = [{"Content-Type": "application/json"}]
        ((got, body),) = answer_batch(names.handle, LocalContext("."), [payload], headers)
        assert got == status
        if status == 200:
            assert json.loads(body)[0]["start"] == 2  # a pair is one code point


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ('text/plain; format=flowed; charset="latin-1"', "charset"),
        ("text/plain;charset = utf-16", "charset"),
        ("text/plain; charset=UTF-8", "not valid UTF-8"),
        ("text/plain; x-charset=latin-1", "not valid UTF-8"),
        ("text/plainer", "content type"),
        ("text/html", "content type"),
    ],
)
def test_text_has_to_be_plain_and_in_utf_8(content_type: str, message: str) -> None:
    # As TorchServe has it: of the body's own type it notes only the beginning.
    headers = {"Content-Type": content_type, "body": {"content-type": content_type.partition(";")[0]}}
    payload = read_payload({"body": "Zo\u00eb".encode("latin-1")}, headers)
    with pytest.raises(RequestError, match=message):
        payload.read_text("text", 100, 100, 1)


def test_json_is_as_long_as_its_text_may_be() -> None:
    headers = {"Content-Type": "application/json"}
    longest = b'{"text": "' + b"\\ud83d\\ude00" * 10_000 + b'"}'
    assert len(read_payload({"body": longest}, headers).read_text("text", 10, 10_000, 1)) == 10_000
    around = b'{"text": "Ada", "more": [' + b"7, " * 60_000 + b"7]}"
    with pytest.raises(PayloadTooLarge):
        read_payload({"body": around}, headers).read_text("text", 10, 1000, 1)
    digits = b'{"text": "Ada", "number": ' + b"9" * 50_000 + b"}"
    assert read_payload({"body": digits}, headers).read_text("text", 10, 1000, 1) == "Ada"


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


def test_a_text_over_the_limit_is_scored_by_its_windows(easy: Any) -> None:
    text = "the cat " * 30 + "Ada Ada " * 15
    ((_, answer),) = ask(easy, text)
    assert answer["windows"] > 1
    assert (answer["tokens"], answer["truncated"]) == (90, False)
    ((_, short),) = ask(easy, "the cat Ada Ada")
    assert short == {"score": pytest.approx(1 / 3), "tokens": 4, "truncated": False, "windows": 1}


def test_or_truncated_if_the_settings_say_so(folders: Callable[..., Path]) -> None:
    easy = start(folders(write_tiny_readability, "\n  over_limit: truncate"), "readability")
    text = "the cat " * 30 + "Ada Ada " * 15
    ((_, answer),) = ask(easy, text)
    assert answer == {"score": 1, "tokens": 90, "truncated": True, "windows": 1}


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


def test_long_texts_cost_a_batch_no_more_than_its_time(easy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time runs out, the longest are not done; the others are answered, and the worker lives."""
    clock = iter([0.0, 1.0, 29.0, 31.0, 32.0])  # the start, then before each group: half of 20 s is 10
    monkeypatch.setattr("handlers.texts.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("handlers.texts.GROUP_TOKENS", 50)
    answers = ask(easy, "the cat " * 200, "the cat", "the cat " * 100, "Ada")
    assert [status for status, _ in answers] == [504, 200, 504, 200]
    assert answers[0][1]["type"] == "DeadlineExceeded"


@given(st.lists(st.integers(1, 30_000), max_size=40))
def test_groups_hold_each_text_once_the_shortest_first(lengths: list[int]) -> None:
    groups = group_texts(lengths)
    order = [lengths[index] for group in groups for index in group]
    assert order == sorted(lengths)
    assert all(len(group) == 1 or sum(lengths[index] for index in group) <= GROUP_TOKENS for group in groups)


def test_a_model_without_numbers_is_at_fault_for_its_text_alone(names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        logits = model(ids, mask)
        logits[(ids == VOCABULARY.index("Paris")).any(axis=1)] = np.nan
        return logits

    model = names.model
    monkeypatch.setattr(names, "model", spoil)
    assert [status for status, _ in ask(names, "Ada", "Paris", "New York")] == [200, 500, 200]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_both_runtimes_give_the_same_answers(folders: Callable[..., Path], easy: Any, runtime: str) -> None:
    other = start(folders(write_tiny_readability, f"\n  runtime: {runtime}"), "readability")
    texts = ["the cat", "Ada Lovelace likes the cat", "the cat " * 40]
    assert ask(other, *texts) == ask(easy, *texts)


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
