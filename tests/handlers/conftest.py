"""The tiny text models as handlers in this process, and batches of texts for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from handlers.local import LocalContext, answer_batch
from handlers.tasks import load_task
from tests.tiny import NAMES, write_tiny_names, write_tiny_readability

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
        config = read_model_config(folder)
        contents = collect(config, "float32", config.handler.get("runtime", "onnxruntime"))
        (folder / "settings.json").write_bytes(contents["settings.json"])
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
