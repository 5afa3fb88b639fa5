"""Settings change where they stand, and nothing else does."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.settings import SETTINGS_FILE
from marina.errors import MarinaError
from marina.model_config import CONFIG_FILE
from marina.reading import read_served
from marina.settings_text import change_archive, change_settings
from marina.verify import read_archive
from tests.conftest import ROOT
from tests.tiny import CONFIG

SHIPPED = [path.read_text("utf-8") for path in sorted((ROOT / "models").glob(f"*/{CONFIG_FILE}"))]
NUMBERS = st.dictionaries(
    st.sampled_from(["minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "handler.threads", "handler.max_bytes"]),
    st.integers(0, 10**9),
)
WORDS = st.dictionaries(
    st.sampled_from(["handler.runtime", "archive.variant", "archive.title", "archive.version"]),
    st.sampled_from(["int8", "bf16", "openvino", "1.0", "yes", "null", "0x10", "a: b # c", "", "ü", '"', "-", "1_000"]),
)


def comments(text: str) -> list[str]:
    return [line.rpartition("#")[2] for line in text.splitlines() if "#" in line]


@settings(deadline=None, max_examples=40)  # a file with 800 labels takes its time
@given(st.sampled_from([*SHIPPED, CONFIG]), NUMBERS, WORDS)
def test_only_the_named_values_change_and_comments_stay(
    text: str, numbers: dict[str, int], words: dict[str, str]
) -> None:
    changed = change_settings(text, {**numbers, **words})
    expected = yaml.safe_load(text)
    for key, value in {**numbers, **words}.items():
        section, _, name = key.rpartition(".")
        (expected[section] if section else expected)[name] = value
    assert yaml.safe_load(changed) == expected
    assert [comment for comment in comments(changed) if comment in comments(text)] == comments(text)
    names = {key.rpartition(".")[2] for key in (*numbers, *words)}
    untouched = [line for line in text.splitlines() if line.strip().partition(":")[0] not in names]
    assert [line for line in changed.splitlines() if line in untouched] == untouched


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(SHIPPED), st.integers(0, 10**9))
def test_a_value_written_back_gives_the_same_text(text: str, number: int) -> None:
    before = yaml.safe_load(text)["batchSize"]
    assert change_settings(change_settings(text, {"batchSize": number}), {"batchSize": before}) == text


def test_a_comment_keeps_its_column() -> None:
    text = "batchSize: 8          # at most\n"
    assert change_settings(text, {"batchSize": 128}) == "batchSize: 128        # at most\n"


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("a: 1\nhandler: {task: x}\n", {"handler.threads": 2}, "a: 1\nhandler: {threads: 2, task: x}\n"),
        ("handler:\n  task:\n", {"handler.task": "x"}, "handler:\n  task: x\n"),
        ("handler:\n  labels:\n    - a", {"handler.top": 2}, "handler:\n  top: 2\n  labels:\n    - a"),
    ],
)
def test_other_ways_to_write_it_are_understood(text: str, changes: dict[str, int | str], expected: str) -> None:
    assert change_settings(text, changes) == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\n", "handler.threads"),
        ("handler: {}\n", "handler.threads"),
        ("a: &shared 1\nb: *shared\n", "a"),
        ("- a\n", "b"),
        ("a: [", "a"),
    ],
)
def test_what_can_not_be_changed_alone_is_refused(text: str, key: str) -> None:
    with pytest.raises(MarinaError):
        change_settings(text, {key: 2})


def test_an_archive_with_other_settings_is_sound_and_called_as_its_file(tiny_archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "colours-1.mar"
    change_archive(tiny_archive, out, {"minWorkers": 2, "batchSize": 16, "handler.top": 1})
    served = read_served(out)
    assert (served.name, served.server["minWorkers"], served.server["batchSize"]) == ("colours-1", 2, 16)
    read = json.loads(read_archive(out)[SETTINGS_FILE])
    assert (read["workers"], read["batch_size"], read["top"]) == (2, 16, 1)
    before, after = read_archive(tiny_archive), read_archive(out)
    assert {name for name in after if after[name] != before[name]} == {
        CONFIG_FILE,
        SETTINGS_FILE,
        "MAR-INF/MANIFEST.json",
        "provenance.json",
    }


def test_an_archive_changed_back_is_the_same_byte_for_byte(tiny_archive: Path, tmp_path: Path) -> None:
    change_archive(tiny_archive, tmp_path / "other.mar", {"batchSize": 7})
    change_archive(tmp_path / "other.mar", tmp_path / "colours.mar", {"batchSize": 4})
    assert (tmp_path / "colours.mar").read_bytes() == tiny_archive.read_bytes()


def test_what_an_archive_was_built_from_needs_a_build(tiny_archive: Path, tmp_path: Path) -> None:
    with pytest.raises(MarinaError, match="marina archive"):
        change_archive(tiny_archive, tmp_path / "other.mar", {"archive.variant": "int8"})
    with pytest.raises(MarinaError, match="minWorkers"):
        change_archive(tiny_archive, tmp_path / "other.mar", {"minWorkers": 9})
