"""``python -m marina``."""

from marina.cli import run

run()
