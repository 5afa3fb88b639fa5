"""``python -m marina``."""

from marina.cli import run

if __name__ == "__main__":
    run()
