"""BentoML: a service with a batchable API, which takes pictures as files of a form.

Its batches are adaptive: it has a limit of the latency in place of a time that it gathers for.
"""

from pathlib import Path

import bentoml

from benchmarks.peers.pictures.model import BATCH_SIZE, DELAY_MS, WORKERS, PictureModel


@bentoml.service(workers=WORKERS, traffic={"timeout": 120}, metrics={"enabled": False})
class ResNet18:
    def __init__(self) -> None:
        self.model = PictureModel()

    # A batch of one, it calls no batch.
    @bentoml.api(
        batchable=BATCH_SIZE > 1,
        max_batch_size=max(2, BATCH_SIZE),
        max_latency_ms=DELAY_MS,
        route="/predictions/resnet18",
    )
    def predict(self, pictures: list[Path]) -> list[dict[str, float]]:
        return self.model.answer([picture.read_bytes() for picture in pictures])
