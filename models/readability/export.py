"""Writes what serving needs of a trained network; ``python -m models.readability.export`` writes the graph again."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handlers.runtime import load_model as load_runtime
from models.checkpoints import WEIGHTS, write_graph, write_model
from models.readability.batches import encode, pad
from models.readability.model import Scores, load_model

HERE = Path(__file__).parent
CONFIG = "model-config.yaml"
TOLERANCE = 1e-3  # between scores of torch and of the exported graph, in the unit of the targets
CHECKED_TEXTS = 8


class ParityError(Exception):
    """The exported graph does not give what the trained network gives."""


def export_regression(
    folder: Path, model: Any, tokenizer: Any, texts: Sequence[str], max_tokens: int, start: str | None
) -> str:
    """Writes graph, weights, tokenizer and configuration into ``folder``; gives a sentence on how exact they are.

    The folder is a Hugging Face checkpoint as well, so a training can start from it. Raises ParityError, and
    leaves no graph, where the graph and torch differ on some of the texts.
    """
    model = model.cpu().eval()
    network = Scores(model).eval()
    batches = batch_texts(tokenizer, texts[:CHECKED_TEXTS], max_tokens)
    trained = [score(network, *batch) for batch in batches]
    model.config.problem_type = "regression"
    # The file of the weights is named, for it is not called as transformers expects.
    values = {**model.config.to_diff_dict(), "transformers_weights": WEIGHTS}
    (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    graph = write_model(folder, network, tokenizer, "scores")
    write_config(folder, max_tokens, start)
    difference = check_parity(graph, network, batches)
    rounded = [score(network, *batch) for batch in batches]
    rounding = max(float(np.abs(a - b).max()) for a, b in zip(trained, rounded, strict=True))
    return (
        f"The graph differs from torch by {difference:.1e} at most; "
        f"rounding the weights to float16 changed scores by {rounding:.1e}."
    )


def batch_texts(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Texts one by one, and all in one batch with padding: ids and mask, int64 (batch, length)."""
    rows = encode(tokenizer, texts, max_tokens)
    padding = int(tokenizer.pad_token_id)
    tensors = [pad([row], padding) for row in rows] + [pad(rows, padding)]
    return [(ids.numpy(), mask.numpy()) for ids, mask in tensors]


@torch.inference_mode()
def score(network: Scores, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What torch gives: float32 (batch,)."""
    scores: np.ndarray = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    return scores


def check_parity(graph: Path, network: Scores, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The largest difference between ONNX Runtime and torch. Raises ParityError over ``TOLERANCE``: no graph stays."""
    runtime = load_runtime(str(graph), "onnxruntime", torch.get_num_threads())
    difference = max(float(np.abs(runtime(*batch) - score(network, *batch)).max()) for batch in batches)
    if not difference <= TOLERANCE:  # not a number is no parity either
        graph.unlink()
        raise ParityError(
            f"The exported graph was refused: its scores differ from torch's by up to {difference:.4f}, "
            f"more than {TOLERANCE}."
        )
    return difference


def write_config(folder: Path, max_tokens: int, start: str | None) -> None:
    """The configuration of this folder's model for another one, with its own window and terms."""
    if folder.resolve() == HERE.resolve():
        return
    text = (HERE / CONFIG).read_text(encoding="utf-8")
    text = re.sub(r"(max_tokens: )\d+", rf"\g<1>{max_tokens}", text)
    text = re.sub(r"(?m)^  route: .*\n", "", text)  # the shipped model's, and there can be one
    name = Path(start).name if start else ""  # no path of this machine: what stands here is shown to the world
    values = {
        "title": f"Readability, {folder.resolve().name}",
        "license": f"Made from {name} and a training set; the terms of both apply." if start else "The training set's.",
    }
    for key, value in values.items():
        text = re.sub(rf"(?m)^(  {key}: ).*$", lambda found, value=value: found[1] + json.dumps(value), text)
    (folder / CONFIG).write_text(text, encoding="utf-8")


def main() -> None:
    """Writes ``graph.onnx`` of the shipped weights, without training them."""
    print(write_graph(HERE / WEIGHTS, load_model(HERE / WEIGHTS), "scores"))


if __name__ == "__main__":
    main()
