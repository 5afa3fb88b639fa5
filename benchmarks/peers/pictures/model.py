"""What every peer serves: the model and the code that decodes pictures, out of the unpacked archive at ``ARCHIVE``.

That folder stands first on the path, so that ``handlers`` is the archive's own. The other variables are one point of
a peer's grid: ``WORKERS`` processes of ``THREADS`` threads, batches of up to ``BATCH_SIZE`` gathered for ``DELAY_MS``.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from handlers.images import decode_image, release_image, resize_and_crop
from handlers.probabilities import softmax
from handlers.runtime import load_model
from handlers.threads import limit_library_threads

ARCHIVE = Path(os.environ["ARCHIVE"])
PORT = int(os.environ["PORT"])
WORKERS = int(os.environ["WORKERS"])
THREADS = int(os.environ["THREADS"])
BATCH_SIZE = int(os.environ["BATCH_SIZE"])
DELAY_MS = int(os.environ["DELAY_MS"])


class PictureModel:
    """One worker's model, loaded and warm; one thread at a time may call ``predict``."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = json.loads((ARCHIVE / "settings.json").read_text(encoding="utf-8"))
        limit_library_threads(THREADS)
        file, runtime = str(ARCHIVE / self.settings["file"]), self.settings["runtime"]
        self.model = load_model(file, runtime, THREADS, precision=self.settings["precision"])
        self.pool = ThreadPoolExecutor(THREADS)
        size = self.settings["size"]
        for batch_size in (1, BATCH_SIZE):
            self.predict([np.zeros((size, size, 3), np.uint8)] * batch_size)

    def decode(self, data: bytes) -> "np.ndarray[Any, Any]":
        """uint8 (size, size, 3), RGB, of a picture's bytes."""
        image = decode_image(data, self.settings["max_pixels"], short_side=self.settings["resize"])
        pixels = resize_and_crop(image, self.settings["resize"], self.settings["size"])
        release_image(image)
        return pixels

    def predict(self, pictures: Sequence["np.ndarray[Any, Any]"]) -> list[dict[str, float]]:
        """Each picture's probability a label."""
        labels = self.settings["labels"]
        outputs = softmax(self.model(np.stack(pictures)))
        return [dict(zip(labels, map(float, output), strict=True)) for output in outputs]

    def answer(self, bodies: Sequence[bytes]) -> list[dict[str, float]]:
        """A batch of picture files, decoded side by side where there are threads for it."""
        apply = self.pool.map if THREADS > 1 and len(bodies) > 1 else map
        return self.predict(list(apply(self.decode, bodies)))
