"""Models made from nothing in a few lines, as a user would add them: for pictures, for names, for easy words."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

CONFIG = """\
minWorkers: 1
maxWorkers: 4
batchSize: 4
maxBatchDelay: 20
responseTimeout: 10
startupTimeout: 60
handler:
  task: image_classification
  labels: [red, green, blue]
  resize: 32
  size: 32
  top: 3
  max_bytes: 200000
  max_pixels: 1000000
archive:
  title: Colours
  description: Tells the colour that a picture has most of.
  version: "1.0"
  license: Apache-2.0
"""


def write_tiny_model(folder: Path) -> None:
    """Writes a model's folder: the settings, the graph, one sample."""
    (folder / "samples").mkdir(parents=True)
    (folder / "model-config.yaml").write_text(CONFIG)
    onnx.save(mean_colour(), folder / "graph.onnx")
    Image.new("RGB", (64, 48), (230, 20, 20)).save(folder / "samples" / "red.png")


def write_own_task(folder: Path) -> None:
    """The same model with a task of its own: how bright is a picture?"""
    write_tiny_model(folder)
    (folder / "brightness.py").write_text(
        "from handlers.image_classification import ImageClassification\n\n\n"
        "class Brightness(ImageClassification):\n"
        "    def postprocess(self, output, request):\n"
        '        return {"brightness": round(float(request.mean()) / 255, 3)}\n'
    )
    config = CONFIG.replace("task: image_classification", "task: brightness:Brightness")
    (folder / "model-config.yaml").write_text(config.replace("Colours", "Brightness"))


def mean_colour() -> onnx.ModelProto:
    """uint8 (batch, 32, 32, 3) -> logits (batch, 3): the mean of each channel, 0 to 25.5."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
            helper.make_node("Mul", ["means", "tenth"], ["logits"]),
        ],
        "mean_colour",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(np.array([1, 2]), "axes"),
            numpy_helper.from_array(np.array(0.1, np.float32), "tenth"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


# The members of the tiny ensembles: the side of the picture that each takes, and how sure each is of the colour.
MEMBERS = {"sure": (32, 0.1), "surer": (32, 0.2), "unsure": (48, 0.01)}
ENSEMBLE_CONFIG = (
    CONFIG.replace("task: image_classification", "task: TASK")
    .replace("title: Colours", "title: TITLE")
    .replace("resize: 32\n  size: 32", "members: [MEMBERS]\n  sizes: [SIZES]")
    .replace("max_pixels: 1000000", "max_pixels: 1000000SETTINGS")
    .replace("license: Apache-2.0", "license: Apache-2.0\n  files: [weights.safetensors]")
)


def write_tiny_ensemble(
    folder: Path,
    settings: str = "",
    members: Mapping[str, tuple[int, float | np.ndarray]] = MEMBERS,
    task: str = "image_ensemble",
) -> None:
    """A model's folder: which colour a picture has most of, by the vote of ``members``, as ``MEMBERS`` has them.

    A member is a side in pixels and a factor, or a matrix (3, 3), from the picture's mean of red, green and blue to the
    logits of these labels; all of them stand in one weights file. ``settings`` are more lines of the handler's.
    """
    (folder / "samples").mkdir(parents=True)
    Image.new("RGB", (64, 48), (230, 20, 20)).save(folder / "samples" / "red.png")
    config = ENSEMBLE_CONFIG.replace("TASK", task).replace("TITLE", folder.name.capitalize())
    config = config.replace("SETTINGS", settings).replace("MEMBERS", ", ".join(f"{name}.onnx" for name in members))
    config = config.replace("SIZES", ", ".join(str(size) for size, _ in members.values()))
    (folder / "model-config.yaml").write_text(config)
    tables = {name: np.dot(np.eye(3), weights).astype("<f4") for name, (_, weights) in members.items()}
    places = write_safetensors(folder / "weights.safetensors", tables)
    for name, (size, _) in members.items():
        onnx.save(weighted_colours(size, *places[name]), folder / f"{name}.onnx")


def write_tiny_handwriting(folder: Path, settings: str = "") -> None:
    """A model's folder: the tiny ensemble, asked as the old handwriting system was; also at /strokes."""
    write_tiny_ensemble(folder, settings, task="handwriting")
    config = (folder / "model-config.yaml").read_text()
    (folder / "model-config.yaml").write_text(config + "  route: strokes\n")


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Writes float32 tensors, and gives the offset and the length in bytes of each in the file."""
    header, begin = {}, 0
    for name, values in tensors.items():
        end = begin + values.nbytes
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [begin, end]}
        begin = end
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"".join(values.tobytes() for values in tensors.values()))
    return {name: (8 + len(head) + entry["data_offsets"][0], tensors[name].nbytes) for name, entry in header.items()}


def weighted_colours(size: int, offset: int, length: int) -> onnx.ModelProto:
    """uint8 (batch, size, size, 3) -> logits (batch, 3): the channels' means times the matrix in the weights file."""
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=(3, 3), data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "weights.safetensors"), ("offset", offset), ("length", length)):
        weights.external_data.add(key=key, value=str(value))
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
            helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        ],
        "weighted_colours",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", size, size, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.array([1, 2]), "axes"), weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
# Word pieces and the label that the tiny model always gives them; what is not here is outside of any name.
NAMES = {
    "Ada": "B-PER",
    "Lovelace": "I-PER",
    "Paris": "B-LOC",
    "New": "B-LOC",
    "York": "I-LOC",
    "Chrome": "B-MISC",
    "##book": "I-MISC",
}
WORDS = ("met", "in", "sees", "likes", "the", "cat", "and", ".", ",", "##s")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *NAMES, *WORDS)
TEXT_CONFIG = """\
minWorkers: 1
maxWorkers: 4
batchSize: 16
maxBatchDelay: 20
responseTimeout: 20
startupTimeout: 60
handler:
  task: TASK
  max_tokens: 32
  overlap: 8
  max_chars: 100000
  min_chars: 2
archive:
  title: TITLE
  description: Made for the tests.ROUTE
  version: "1.0"
  license: Apache-2.0
  files: [tokenizer.json]
"""


def write_tiny_names(folder: Path, settings: str = "") -> None:
    """A model's folder: names by a list, whatever stands around them."""
    config = (
        TEXT_CONFIG.replace("TASK", f"named_entities{settings}\n  labels: [{', '.join(LABELS)}]")
        .replace("TITLE", "Names")
        .replace("ROUTE", "\n  route: names")
    )
    table = np.zeros((len(VOCABULARY), len(LABELS)), np.float32)
    for row, piece in enumerate(VOCABULARY):
        table[row, LABELS.index(NAMES.get(piece, "O"))] = 5
    write_text_model(folder, config, table, [])


def write_tiny_readability(folder: Path, settings: str = "") -> None:
    """A model's folder: a text's score is the mean over its tokens of -1 for a name and 1 for any other."""
    config = TEXT_CONFIG.replace("TASK", f"readability{settings}").replace("TITLE", "Easy words").replace("ROUTE", "")
    table = np.array([[-1 if piece in NAMES else 1] for piece in VOCABULARY], np.float32)
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Squeeze", ["values", "last"], ["token_values"]),
        helper.make_node("Mul", ["token_values", "mask"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "last"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "last"], ["tokens"], keepdims=0),
        helper.make_node("Div", ["total", "tokens"], ["output"]),
    ]
    write_text_model(folder, config, table, nodes)


def write_text_model(folder: Path, config: str, table: np.ndarray, nodes: list[onnx.NodeProto]) -> None:
    """A graph that looks each token up in the table, then goes through the nodes from "values" to "output"."""
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "a-meeting.txt").write_text("Ada Lovelace met the cat in New York.")
    (folder / "model-config.yaml").write_text(config)
    tokenizer = Tokenizer(WordPiece({piece: row for row, piece in enumerate(VOCABULARY)}, unk_token="[UNK]"))  # noqa: S106 (no password)
    tokenizer.normalizer = BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing("[CLS] $0 [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(list(VOCABULARY[:4]))
    tokenizer.save(str(folder / "tokenizer.json"))
    axes = ["batch", "length"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["values" if nodes else "output"]), *nodes],
        "look_up",
        [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([-1]), "last")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "graph.onnx"
    )
