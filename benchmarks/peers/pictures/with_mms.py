"""MMS (multi-model-server): a plain handler, as its examples have it. The server batches as its registration says."""

import json
from typing import Any

from benchmarks.peers.pictures.model import PictureModel


class Service:
    model: PictureModel | None = None

    def __call__(self, data: list[dict[str, bytes]] | None, context: Any) -> list[bytes] | None:
        if self.model is None:
            self.model = PictureModel()
        if data is None:
            return None
        return [json.dumps(answer).encode() for answer in self.model.answer([bytes(row["body"]) for row in data])]


handle = Service()
