"""Measures the shipped weights on corpora and samples: ``python -m models.ner.figures --data DIR``."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from models.checkpoints import WEIGHTS
from models.figures import run
from models.iob2 import read_sentences
from models.ner.decoding import agreement, describe_scores, find_entities, judge
from models.ner.model import load_model

HERE = Path(__file__).parent
JUDGED = ("wikigold_dev", "wikigold_test", "gmb_dev", "gmb_test")
JOINED = 30  # sentences of a long text, in which the same names should be found


def tag_samples(network: nn.Module, tokenizer: Tokenizer, folder: Path) -> dict[str, list[list[Any]]]:
    """What the model finds in each sample text: file name -> [type, name, probability] of each entity."""
    paths = sorted(folder.glob("*.txt"))
    answers = find_entities(network, tokenizer, [path.read_text(encoding="utf-8") for path in paths])
    return {
        path.name: [[one["entity_group"], one["word"], round(one["score"], 3)] for one in found]
        for path, found in zip(paths, answers, strict=True)
    }


def write_figures(folder: Path, data: Path, training: dict[str, Any]) -> dict[str, Any]:
    """Measures the folder's weights and writes ``figures.json`` beside them."""
    weights = folder / "weights.safetensors"
    network = load_model(folder / WEIGHTS)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    corpora = {name: read_sentences(data / f"{name}.txt") for name in JUDGED}
    figures = {
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training": training,
        "sentences": {name: len(sentences) for name, sentences in corpora.items()},
        "corpora": {name: describe_scores(judge(network, tokenizer, sentences)) for name, sentences in corpora.items()},
        "joined": {"sentences": JOINED, **describe_scores(judge(network, tokenizer, corpora["wikigold_test"], JOINED))},
        "agreement": round(agreement(network, tokenizer, corpora["wikigold_test"], JOINED), 4),
        "samples": tag_samples(network, tokenizer, HERE / "samples"),
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return figures


if __name__ == "__main__":
    run(HERE, "folder of the corpora", write_figures)
