"""The old systems' models at their full sizes, with random weights: speed does not depend on them.

``python -m benchmarks.peers.full_size ner FOLDER`` writes a checkpoint as Hugging Face has it, for the peer, and a
model's folder with the same weights, for `marina archive`. So does ``readability``.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from models.checkpoints import Logits, max_tokens, write_model  # first, for it makes transformers importable
from models.ner.model import LABELS
from models.readability.model import Scores

import transformers  # isort: skip

ROOT = Path(__file__).resolve().parents[2]
PIECES = 28996  # of bert-base-cased; only so many rows of the embedding
PADDED_TOKENS = 300  # to which the old readability service padded and cut every text


def build_ner() -> tuple[Any, dict[str, Any]]:
    """DistilBERT-base, 66 million weights, and the settings to serve it with."""
    labels = dict(enumerate(LABELS))
    config = transformers.DistilBertConfig(vocab_size=PIECES, id2label=labels, attn_implementation="eager")
    model = transformers.DistilBertForTokenClassification(config)
    # As `python -m models.ner.export --from` would write them.
    longest = max_tokens(model)
    return Logits(model), {"labels": list(LABELS), "max_tokens": longest, "overlap": longest // 4, "by_sentence": False}


def build_readability() -> tuple[Any, dict[str, Any]]:
    """BERT-base, 110 million weights, and the settings to serve it with: as the old service cut a text."""
    config = transformers.BertConfig(vocab_size=PIECES, num_labels=1, attn_implementation="eager")
    settings = {"max_tokens": PADDED_TOKENS, "over_limit": "truncate"}
    return Scores(transformers.BertForSequenceClassification(config)), settings


def write(name: str, folder: Path) -> None:
    """Writes ``folder/checkpoint`` and ``folder/<name>-base``."""
    torch.manual_seed(0)
    network, settings = {"ner": build_ner, "readability": build_readability}[name]()
    tokens = {
        key: f"[{key[:-6].upper()}]" for key in ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")
    }
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(ROOT / "models" / name / "tokenizer.json"), model_max_length=512, **tokens
    )
    target = folder / f"{name}-base"
    write_model(target, network, tokenizer, "output")
    network.network.save_pretrained(folder / "checkpoint")
    tokenizer.save_pretrained(folder / "checkpoint")
    config = yaml.safe_load((ROOT / "models" / name / "model-config.yaml").read_text())
    config["handler"] |= settings
    config["archive"].pop("route", None)
    # Answers of random weights are close calls: no variant agrees on them, and none would have to.
    config["archive"] |= {"min_agreement": 0.0, "variant": "float32"}
    shutil.copytree(ROOT / "models" / name / "samples", target / "samples")
    (target / "model-config.yaml").write_text(yaml.safe_dump(config))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
