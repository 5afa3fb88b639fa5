"""Ray Serve: replicas that batch, behind its HTTP proxy, on a cluster of this machine alone."""

import os
import signal
import sys

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.pictures.model import BATCH_SIZE, DELAY_MS, PORT, THREADS, WORKERS, PictureModel


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=200, ray_actor_options={"num_cpus": THREADS})
class ResNet18:
    def __init__(self) -> None:
        self.model = PictureModel()

    @serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=DELAY_MS / 1000)
    async def predict(self, bodies: list[bytes]) -> list[dict[str, float]]:
        return self.model.answer(bodies)

    async def __call__(self, request: Request) -> dict[str, float]:
        answer: dict[str, float] = await self.predict(await request.body())
        return answer


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The proxy and the controller want no core of their own to be started.
    ray.init(num_cpus=WORKERS * THREADS, include_dashboard=False, _temp_dir=os.environ["TMPDIR"])
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(ResNet18.bind(), route_prefix="/predictions/resnet18")
    signal.pause()
