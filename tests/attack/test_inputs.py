"""The attacks' own parts: inputs that come again, canaries that are found, answers that are read."""

import base64
from pathlib import Path

import pytest

from benchmarks.attack.canary import find_canaries, make_canary
from benchmarks.attack.exchange import join_chunks, read_body, write_chunked
from benchmarks.attack.findings import Finding
from benchmarks.attack.inputs import RANDOM, STRUCTURAL, make_input
from benchmarks.attack.tally import is_alike
from benchmarks.report.attacks import tell_attacks
from benchmarks.rows import append_rows

CANARY = make_canary(3)


@pytest.mark.parametrize("kind", [STRUCTURAL, RANDOM])
def test_an_input_is_told_by_its_seed_and_number(kind: str) -> None:
    for number in range(200):
        once, again = make_input(kind, 3, number, CANARY), make_input(kind, 3, number, CANARY)
        assert once == again
        assert once.wire("localhost") == again.wire("localhost")
        assert make_input(kind, 4, number, CANARY) != once


def test_the_first_thousand_inputs_hold_every_family_and_are_no_floods() -> None:
    inputs = [make_input(STRUCTURAL, 1, number, CANARY) for number in range(1000)]
    formats = ("png", "jpeg", "gif", "bmp", "tiff", "webp", "valid", "text")
    ways = ("raw", "in JSON", "in a form", "with a type that lies")
    assert {each.family for each in inputs} == {f"{name} {way}" for name in formats for way in ways}
    assert {each.framing for each in inputs} == {"length", "chunked", "put", "expect"}
    assert sum(CANARY.encode() in each.content for each in inputs) > 400
    assert max(len(each.content) for each in inputs) < 10_000_000


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_canary_is_found_however_it_is_spelt(before: str, tmp_path: Path) -> None:
    spelt = (f"{before}{CANARY} and more").encode()
    for number, content in enumerate(
        (spelt, base64.b64encode(spelt), spelt.hex().encode(), spelt.decode().encode("utf-16"))
    ):
        path = tmp_path / str(number)
        path.write_bytes(bytes(1 << 20) + content + bytes(1 << 20))
        assert find_canaries(CANARY, [path]) == [path]
    assert find_canaries(make_canary(4), tmp_path.iterdir()) == []


def test_a_chunked_body_is_written_and_read() -> None:
    head, _, body = write_chunked("h", "/", b"0123456789", None, [1, 2], ";a=b").partition(b"\r\n\r\n")
    assert body.startswith(b"1;a=b\r\n0\r\n2;a=b\r\n12\r\n")
    assert join_chunks(body) == b"0123456789"
    assert read_body(head.lower(), bytearray(head + b"\r\n\r\n" + body), len(head) + 4) == b"0123456789"
    assert read_body(head.lower(), bytearray(head + b"\r\n\r\n" + body[:-1]), len(head) + 4) is None


def test_answers_are_alike_to_the_last_digits_of_a_score() -> None:
    assert is_alike({"a": [0.5, "x"]}, {"a": [0.500001, "x"]})
    assert not is_alike({"a": [0.5, "x"]}, {"a": [0.51, "x"]})
    assert not is_alike({"a": 1}, {"b": 1})


def test_the_page_tells_what_held_and_what_did_not(tmp_path: Path) -> None:
    rows = [
        Finding("kills", "torchserve", "40 kills", "wrong answers", 0, at_most=0),
        Finding("kills", "torchserve", "40 kills", "errors", 3, at_most=0, note="a | b"),
        Finding("kills", "torchserve", "40 kills", "503", 7),
    ]
    common = {"run": "2026-01-01T00:00:00Z", "commit": "abc", "machine": "one", "versions": "two"}
    append_rows(tmp_path / "attack.csv", [common | each.row() for each in rows])
    page = tell_attacks(tmp_path / "attack.csv")
    assert "Held: 1 of 2." in page
    assert "| wrong answers | 0  | at most 0 | held |" in page
    assert "| errors | 3  | at most 0 | **not held** | a / b |" in page
    assert "| 503 | 7  |  | told |" in page
    assert tell_attacks(tmp_path / "nothing.csv") == ""
