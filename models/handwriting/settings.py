"""What the handler reads of ``model-config.yaml``."""

from pathlib import Path
from typing import Any

import yaml

SETTINGS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("model-config.yaml").read_text("utf-8"))["handler"]
LABELS: list[str] = SETTINGS["labels"]
