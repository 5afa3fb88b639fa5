"""Measures the trained weights on excerpts and samples: ``python -m models.readability.figures --data DIR``."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from models.figures import run
from models.readability.data import Excerpts, Splits, read_splits
from models.readability.export import HERE
from models.readability.judging import bootstrap_rmse, rmse
from models.readability.model import Scores, load_model
from models.readability.ridge import Ridge
from models.readability.scores import score_texts
from models.readability.surface import WORD, Frequencies, split_sentences

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LENGTHS = (1, 2, 4, 8)  # sentences from the start of each excerpt
MAX_TOKENS = 512


def measure(scores: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Count, error with its 95 % interval, and Pearson correlation."""
    low, high = bootstrap_rmse(scores, targets)
    correlates = len(targets) > 2 and scores.std() > 0 and targets.std() > 0
    return {
        "excerpts": len(targets),
        "rmse": round(rmse(scores, targets), 4),
        "interval": [round(low, 4), round(high, 4)],
        "correlation": round(float(np.corrcoef(scores, targets)[0, 1]), 4) if correlates else None,
    }


def measure_beginnings(network: Scores, tokenizer: Any, excerpts: Excerpts) -> list[dict[str, Any]]:
    """Error and correlation where the model sees the first sentences alone, against the whole excerpt's target."""
    rows = []
    for count in LENGTHS:
        texts = [" ".join(split_sentences(text)[:count]) for text in excerpts.texts]
        words = float(np.mean([len(WORD.findall(text)) for text in texts]))
        measured = measure(score_texts(network, tokenizer, texts, MAX_TOKENS), excerpts.targets)
        rows.append({"sentences": count, "mean_words": round(words), **measured})
    return rows


def measure_thirds(scores: np.ndarray, excerpts: Excerpts) -> list[dict[str, Any]]:
    """The error on the shortest, middle and longest third of the excerpts, by words."""
    words = np.array([len(WORD.findall(text)) for text in excerpts.texts])
    parts = np.array_split(np.argsort(words, kind="stable"), min(3, len(words)))
    return [
        {"words": [int(words[part].min()), int(words[part].max())], **measure(scores[part], excerpts.targets[part])}
        for part in parts
    ]


def write_figures(folder: Path, splits: Splits, training: dict[str, Any]) -> dict[str, Any]:
    """Measures the folder's weights and writes ``figures.json`` beside them."""
    weights = folder / "weights.safetensors"
    network, tokenizer = load_model(weights), load_tokenizer(folder)
    ridge = Ridge(splits.train, Frequencies(splits.train.texts))
    judged = splits.test or splits.dev
    samples = sorted((HERE / "samples").glob("*.txt"))
    scores = {name: score_texts(network, tokenizer, part.texts, MAX_TOKENS) for name, part in splits}
    sample_scores = score_texts(network, tokenizer, [path.read_text() for path in samples], MAX_TOKENS)
    figures: dict[str, Any] = {
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "training": {**training, "excerpts": len(splits.train)},
        **{name: measure(scores[name], part.targets) for name, part in splits},
        "mean_rmse": {name: round(rmse(splits.train.targets.mean(), part.targets), 4) for name, part in splits},
        "ridge_rmse": {name: round(rmse(ridge.judge_all(part.texts), part.targets), 4) for name, part in splits},
        "by_words": measure_thirds(scores["test" if splits.test else "dev"], judged),
        "beginnings": measure_beginnings(network, tokenizer, judged),
        "quantiles": {str(q): round(float(np.quantile(splits.train.targets, q)), 4) for q in QUANTILES},
        "samples": {path.name: round(float(s), 4) for path, s in zip(samples, sample_scores, strict=True)},
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder, from the file that serving reads."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")  # noqa: S106


if __name__ == "__main__":
    run(
        HERE,
        "folder with train.csv, dev.csv and test.csv",
        lambda folder, data, training: write_figures(folder, read_splits(data), training),
    )
