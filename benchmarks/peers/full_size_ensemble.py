"""The three models of the handwriting ensemble at the first service's input sizes, with random weights.

``python -m benchmarks.peers.full_size_ensemble FOLDER`` writes a model's folder for `marina archive`, with pictures
as that service was sent, about 67 px high. Speed depends neither on weights nor on what a picture shows.
"""

import random
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from PIL import Image, ImageDraw

from models.handwriting.export import export_members, join_members
from models.handwriting.model import HERE, MEMBERS, build_member
from models.weights import save_weights

SIZES = (224, 224, 260)  # px, by member
PICTURES = 12
HEIGHT = 67  # px
WIDTHS = (50, 80)  # px


def write(folder: Path) -> None:
    """Writes the weights, a graph for each member, the shipped model's settings with these sizes, and samples."""
    torch.manual_seed(0)
    (folder / "samples").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        for member in MEMBERS:
            save_weights(build_member(member), Path(name) / f"{member}.safetensors")
        export_members(join_members(Path(name), folder), SIZES)
    config = yaml.safe_load((HERE / "model-config.yaml").read_text(encoding="utf-8"))
    config["handler"] = {"runtime": "onnxruntime", **config["handler"], "sizes": list(SIZES)}
    # Answers of random weights are close calls: no variant agrees on them, and none would have to.
    config["archive"]["min_agreement"] = 0.0
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    (folder / "model-config.yaml").write_text(text, encoding="utf-8")
    generator = random.Random(0)  # noqa: S311 (no secret)
    for number in range(PICTURES):
        draw_picture(generator).save(folder / "samples" / f"drawn-{number:02}.jpg", quality=90)


def draw_picture(generator: random.Random) -> Image.Image:
    """A few strokes on paper."""
    width = generator.randint(*WIDTHS)
    picture = Image.new("RGB", (width, HEIGHT), (232, 228, 216))
    draw = ImageDraw.Draw(picture)
    for _ in range(generator.randint(5, 12)):
        ends = [(generator.randrange(width), generator.randrange(HEIGHT)) for _ in range(2)]
        draw.line(ends, fill=(40, 44, 60), width=generator.randint(2, 4))
    return picture


if __name__ == "__main__":
    write(Path(sys.argv[1]))
