"""Writes the graph of the trained network, or packs another one: ``python -m models.ner.export [--from ID --out DIR]``.

Another one is a checkpoint of Hugging Face for token classification, from the hub or from a folder, with IOB2 labels.
"""

import argparse
import json
import sys
from pathlib import Path

from models.checkpoints import WEIGHTS, Logits, max_tokens, read_checkpoint, transformers, write_graph, write_model
from models.ner.model import load_model

HERE = Path(__file__).parent
LONGEST = 512  # tokens; a longer window costs more than it finds

CONFIG = """\
# Written by python -m models.ner.export; the keys are those of models/ner/model-config.yaml.
minWorkers: 1
maxWorkers: 4
batchSize: 16
maxBatchDelay: 1
responseTimeout: 60
startupTimeout: 120

handler:
  task: named_entities
  file: graph.onnx
  runtime: onnxruntime
  labels: {labels}
  tokenizer: tokenizer.json
  max_tokens: {max_tokens}
  overlap: {overlap}
  max_chars: 100000
  min_chars: 2
  max_bytes: 1000000

archive:
  title: {title}
  description: {description}
  version: "1.0"
  license: As the checkpoint's.
  files: [weights.safetensors, tokenizer.json]
"""


def export_tagger(folder: Path) -> Path:
    """Writes ``graph.onnx`` beside the folder's ``weights.safetensors`` and gives its path.

    Inputs ``input_ids`` and ``attention_mask`` int64 (batch, length); output ``logits`` float32 (batch, length, 9).
    """
    return write_graph(folder / WEIGHTS, load_model(folder / WEIGHTS), "logits")


def pack_checkpoint(id_or_dir: str, out: Path) -> Path:
    """Writes tokenizer, weights, graph and ``model-config.yaml`` of a checkpoint into ``out``; gives the graph's path.

    Raises ValueError where the labels are not IOB2's.
    """
    model, tokenizer = read_checkpoint(id_or_dir, transformers.AutoModelForTokenClassification)
    labels = read_labels(model.config)
    longest = min(max_tokens(model), tokenizer.model_max_length, LONGEST)
    graph = write_model(out, Logits(model), tokenizer, "logits")
    description = f"Finds names in a text, with {Path(id_or_dir).name}."
    config = CONFIG.format(
        labels=json.dumps(labels),
        max_tokens=longest,
        overlap=longest // 4,
        title=json.dumps(f"Named entities, {out.resolve().name}"),
        description=json.dumps(description),
    )
    (out / "model-config.yaml").write_text(config, encoding="utf-8")
    return graph


def read_labels(config: transformers.PreTrainedConfig) -> list[str]:
    """The labels in the order of the model's outputs. Raises ValueError where they are not O, B-X and I-X."""
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    if "O" not in labels or not all(label == "O" or label[:2] in ("B-", "I-") for label in labels):
        raise ValueError(f"The checkpoint's labels are {labels}; expected O, B-PER, I-PER and so on.")
    return labels


def main() -> None:
    """Writes what the command line asks for, and says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", metavar="ID_OR_DIR", help="a checkpoint (default: the model's own)")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: the model's own folder)")
    options = parser.parse_args()
    if options.source and options.out.resolve() == HERE:
        parser.error("--from needs --out, for a folder of its own")
    try:
        print(pack_checkpoint(options.source, options.out) if options.source else export_tagger(options.out))
    except (ValueError, OSError) as error:
        sys.exit(f"{options.source}: {error}")


if __name__ == "__main__":
    main()
