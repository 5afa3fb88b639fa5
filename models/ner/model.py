"""The network: DistilBERT with a label for each piece, small enough to be trained from random weights."""

import json
import math
from pathlib import Path

import torch

from models.checkpoints import WEIGHTS, Logits, transformers
from models.weights import load_weights

TYPES = ("PER", "ORG", "LOC", "MISC")
LABELS = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in ("B", "I")))
MAX_TOKENS = 256  # of a window that is trained on and served, [CLS] and [SEP] included


def configure(
    pieces: int, layers: int = 4, width: int = 256, heads: int = 4, dropout: float = 0.1
) -> transformers.DistilBertConfig:
    """The architecture's sizes for a vocabulary of so many pieces."""
    return transformers.DistilBertConfig(
        vocab_size=pieces,
        max_position_embeddings=512,
        n_layers=layers,
        dim=width,
        hidden_dim=4 * width,
        n_heads=heads,
        dropout=dropout,
        attention_dropout=0.0,  # its random numbers would cost a fifth of the training's time
        seq_classif_dropout=dropout,
        pad_token_id=0,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
        # Eager: in bfloat16 on a CPU it trains faster than the fused one, and its graph is the simplest.
        attn_implementation="eager",
    )


def build_model(config: transformers.DistilBertConfig) -> transformers.DistilBertForTokenClassification:
    """The untrained network; its names are those of Hugging Face's checkpoints."""
    network = transformers.DistilBertForTokenClassification(config)
    initialise(network)
    return network


@torch.no_grad()
def initialise(network: transformers.DistilBertForTokenClassification) -> None:
    """Makes sines of the first position embeddings, so that neighbours are alike from the start.

    As in Attention Is All You Need, 2017; their standard deviation is that of the words' embeddings, and they learn.
    """
    embeddings = network.distilbert.embeddings
    positions = embeddings.position_embeddings.weight
    waves = torch.exp(torch.arange(0, positions.shape[1], 2) * (-math.log(10_000.0) / positions.shape[1]))
    angles = torch.arange(len(positions))[:, None] * waves
    sines = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
    positions.copy_(sines * math.sqrt(2) * network.config.initializer_range)


def write_config(config: transformers.DistilBertConfig, path: Path) -> None:
    """Writes the architecture as Hugging Face has it, so that its loaders find the weights under their name here."""
    values = {**config.to_diff_dict(), "architectures": ["DistilBertForTokenClassification"]}
    path.write_text(json.dumps({**values, "transformers_weights": WEIGHTS}, indent=2) + "\n", encoding="utf-8")


def load_model(weights: Path) -> Logits:
    """The trained network in float32, ready to answer, from its safetensors file and ``config.json`` beside it."""
    config = transformers.DistilBertConfig.from_pretrained(weights.parent, attn_implementation="eager")
    network = Logits(build_model(config))
    load_weights(network, weights)
    return network.eval()
