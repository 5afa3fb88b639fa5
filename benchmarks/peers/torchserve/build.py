"""The peer's archive: the shipped ResNet18 as TorchScript, for TorchServe's own image_classifier handler."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from models.resnet18.model import LABELS, load_model

ROOT = Path(__file__).resolve().parents[3]
CONFIG = "minWorkers: {0}\nmaxWorkers: {0}\nbatchSize: {1}\nmaxBatchDelay: {2}\nresponseTimeout: 120\n"


def build(folder: Path, workers: str, batch_size: str, delay_ms: str) -> None:
    """Writes resnet18.mar into the folder."""
    network = load_model(ROOT / "models/resnet18/weights.safetensors").network
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(network, torch.zeros(1, 3, 224, 224)), str(folder / "model.pt"))
    (folder / "index_to_name.json").write_text(json.dumps(dict(enumerate(LABELS))))
    (folder / "model-config.yaml").write_text(CONFIG.format(workers, batch_size, delay_ms))
    archiver = Path(sys.executable).with_name("torch-model-archiver")
    command = [archiver, "--model-name", "resnet18", "--version", "1.0", "--force"]
    command += ["--handler", str(Path(__file__).with_name("two_classes.py"))]
    command += ["--serialized-file", "model.pt", "--extra-files", "index_to_name.json"]
    subprocess.run([*command, "--config-file", "model-config.yaml", "--export-path", "."], cwd=folder, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]), *sys.argv[2:])
