"""LitServe: its own batching, workers, and the faster of its two queues."""

from typing import Annotated, Any

import litserve
from fastapi import Body

from benchmarks.peers.pictures.model import BATCH_SIZE, DELAY_MS, PORT, WORKERS, PictureModel


class ResNet18(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = PictureModel()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        """The picture's file as it came: a batch is decoded side by side, where there are threads for it."""
        return request

    def batch(self, inputs: Any) -> Any:
        return inputs

    def predict(self, inputs: Any) -> Any:
        # LitServe gives a list only where it batches.
        return self.model.answer(inputs) if BATCH_SIZE > 1 else self.model.answer([inputs])[0]

    def unbatch(self, output: Any) -> Any:
        return output

    def encode_response(self, output: dict[str, float]) -> dict[str, float]:
        return output


if __name__ == "__main__":
    api = ResNet18(max_batch_size=BATCH_SIZE, batch_timeout=DELAY_MS / 1000, api_path="/predictions/resnet18")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, timeout=120, fast_queue=True)
    server.run(host="127.0.0.1", port=PORT, num_api_servers=1, log_level="warning", generate_client_file=False)
