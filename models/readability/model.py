"""The network: BERT with one output, whose value is a score in the unit of the targets."""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.checkpoints import Logits
from models.readability.recipe import Recipe
from models.weights import load_weights

# models.checkpoints comes first: it makes transformers importable.
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel  # type: ignore[import-untyped]  # isort: skip


class Scores(Logits):
    """A Hugging Face regression as a plain network."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (1 for a token, 0 for padding), both int64 (batch, length) -> float32 (batch,)."""
        return super().forward(input_ids, attention_mask).squeeze(-1)


def build_model(recipe: Recipe, pieces: int) -> PreTrainedModel:
    """An untrained BERT for regression, with a vocabulary of so many pieces."""
    config = BertConfig(
        vocab_size=pieces,
        hidden_size=recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.width,
        max_position_embeddings=recipe.max_tokens,
        hidden_dropout_prob=recipe.dropout,
        attention_probs_dropout_prob=0.0,
        num_labels=1,
        problem_type="regression",
        attn_implementation="eager",  # in bfloat16 on a processor the quicker one, and the simpler graph
    )
    return BertForSequenceClassification(config)


@torch.no_grad()
def rescale(model: nn.Module, mean: float, spread: float) -> None:
    """Changes the last layer so that the output becomes ``mean + spread * output``."""
    head = last_layer(model)
    head.weight.mul_(spread)
    head.bias.mul_(spread).add_(mean)


def last_layer(model: nn.Module) -> nn.Linear:
    """The linear layer that gives the score, whatever the architecture calls it. Raises ValueError for none."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == 1]
    if not layers:
        raise ValueError("The model has no layer with one output.")
    return layers[-1]


def load_model(weights: Path) -> Scores:
    """The trained network in float32, ready to answer, from its safetensors file and ``config.json`` beside it."""
    config = BertConfig.from_json_file(str(weights.with_name("config.json")))
    network = Scores(BertForSequenceClassification._from_config(config, attn_implementation="eager"))
    load_weights(network, weights)
    return network.eval()
