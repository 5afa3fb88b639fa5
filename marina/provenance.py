"""Where an archive comes from: digests, versions, the commit, the measured quality."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import marina
from handlers.threads import available_cores
from marina.variants import Measured, read_measured

# The packages whose version can change what an archive holds or answers.
PACKAGES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "pillow",
    "pillow-simd",
    "tokenizers",
    "torch",
    "torch-model-archiver",
    "torchserve",
)
UNKNOWN = "unknown"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Path in the archive -> SHA-256 of the file, in hexadecimal."""
    return {path: sha256(data) for path, data in sorted(contents.items())}


def model_digest(contents: Mapping[str, bytes]) -> str:
    """SHA-256 over an archive's graphs and weights, names included: what a measured quality belongs to."""
    whole = hashlib.sha256()
    for name in sorted(contents):
        if name.endswith((".onnx", ".safetensors", ".pt")):
            whole.update(name.encode() + b"\0" + contents[name])
    return whole.hexdigest()


def describe(
    folder: Path, variant: str, runtime: str, measured: Measured | None, contents: Mapping[str, bytes]
) -> dict[str, Any]:
    """What provenance.json says of an archive built from a model's folder."""
    figures = folder / "figures.json"
    return {
        "marina": marina.__version__,
        "variant": variant,
        "runtime": runtime,
        "commit": git(folder, "rev-parse", "HEAD") or UNKNOWN,
        "changed_since_commit": bool(git(folder, "status", "--porcelain", "--", ".", "../../handlers")),
        "packages": versions(),
        # What the figures tell was measured on the trained weights; what the variant itself reaches stands below.
        "quality": {"float32": json.loads(figures.read_text("utf-8"))} if figures.is_file() else {},
        "measured": asdict(measured) if measured else None,
        # Of other files than these, the figures would say nothing.
        "variants": read_measured(folder).get("variants", []) if measured else [],
        "model_sha256": model_digest(contents),
        "files": digests(contents),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """The processor as Linux knows it, and how many of its cores this process may keep busy."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(names or [platform.machine()])[0]}, {available_cores()} cores"


def git(folder: Path, *arguments: str) -> str:
    """What git prints in that folder; nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
