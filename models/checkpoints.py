"""Hugging Face checkpoints read, and token models written as the archive holds them.

A folder that is written holds ``tokenizer.json``, ``weights.safetensors`` (float16, under the names of the checkpoint)
and ``graph.onnx``, which points into the weights.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.export import export_graph
from models.operators import import_torchvision
from models.weights import load_weights, save_weights

import_torchvision()  # before transformers, which imports it wherever it is installed

import transformers  # noqa: E402

WEIGHTS, TOKENIZER = "weights.safetensors", "tokenizer.json"
PADDED = -10_000.0  # the score of padding, next to which exp() is 0


class Logits(nn.Module):
    """A Hugging Face model with a head and eager attention, as a plain network of two tensors."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (1 for a token, 0 for padding), both int64 (batch, length) -> float32 logits."""
        # As what eager attention adds to its scores: transformers' own way there is twenty operators in a graph.
        added = (1 - attention_mask[:, None, None, :]).to(next(self.parameters()).dtype) * PADDED
        logits: Tensor = self.network(input_ids=input_ids, attention_mask=added).logits
        return logits.float()


def read_checkpoint(
    id_or_dir: str | Path, model_class: Any, **options: Any
) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerFast]:
    """A checkpoint's model in float32, ready to answer, and its tokenizer; from the hub or from a folder.

    ``model_class`` is one of transformers' classes with a head. Pickles are not read and no code of the checkpoint is
    run. Raises ValueError where the tokenizer is not a fast one, for then there is no ``tokenizer.json``, and OSError
    where there are no safetensors.
    """
    source = str(id_or_dir)
    model = model_class.from_pretrained(
        source,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
        attn_implementation="eager",
        **options,
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ValueError(f"{source} has no fast tokenizer, so none that tokenizer.json could hold.")
    return model.eval(), tokenizer


def max_tokens(model: transformers.PreTrainedModel) -> int:
    """The longest input that the model's position embeddings allow, special tokens included."""
    config = model.config
    positions = int(config.max_position_embeddings)
    # RoBERTa and its kin count positions from the padding token's id + 1.
    offset = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    return positions - offset


def write_model(
    folder: Path, network: nn.Module, tokenizer: transformers.PreTrainedTokenizerFast, output_name: str
) -> Path:
    """Writes tokenizer, weights and graph into ``folder`` and gives the graph's path.

    ``network`` takes ``input_ids`` and ``attention_mask``, both int64 (batch, length), and gives one float tensor
    whose first axis is the batch; a model of transformers is wrapped in ``Logits`` for that. It is moved to
    float32 values that float16 can hold: what the file says is what it computes with afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(tokenizer, folder / TOKENIZER)
    save_weights(network, folder / WEIGHTS)
    load_weights(network, folder / WEIGHTS)
    return write_graph(folder / WEIGHTS, network, output_name)


def write_tokenizer(tokenizer: transformers.PreTrainedTokenizerFast, path: Path) -> None:
    """Writes ``tokenizer.json``, which neither cuts nor pads: the handler does that."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(path))


def write_graph(weights: Path, network: nn.Module, output_name: str) -> Path:
    """Writes ``graph.onnx`` beside the weights, which the network holds already, and gives its path.

    Inputs ``input_ids`` and ``attention_mask``, int64 (batch, length), both axes free.
    """
    axes = {0: "batch", 1: "length"}
    mask = torch.ones((2, 8), dtype=torch.int64)
    mask[1, 5:] = 0
    inputs = {"input_ids": torch.ones((2, 8), dtype=torch.int64), "attention_mask": mask}
    return export_graph(network, weights, inputs, [output_name], dict.fromkeys(inputs, axes))
