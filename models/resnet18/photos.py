"""The photos on disk: a folder a class."""

from pathlib import Path

LABELS = ("ant", "bee")  # by the index of the network's output
FOLDERS = ("ants", "bees")  # in the order of the labels


def list_photos(folder: Path) -> list[tuple[Path, int]]:
    """The photos of one split with their labels, in a fixed order. Raises FileNotFoundError for none."""
    photos = [(path, label) for label, name in enumerate(FOLDERS) for path in sorted((folder / name).glob("*"))]
    if not photos:
        raise FileNotFoundError(f"No photos under {folder}; expected {' and '.join(FOLDERS)} in it.")
    return photos
