"""Where things stand in the checkout that the tool runs from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANDLERS = ROOT / "handlers"
MODELS = ROOT / "models"
MODEL_STORE = ROOT / "model_store"
CONFIG = ROOT / "config"
NGINX = ROOT / "deploy" / "nginx"
FRONTEND = ROOT / "frontend"
TORCH_STANDIN = Path(__file__).resolve().parent / "torch_standin"
