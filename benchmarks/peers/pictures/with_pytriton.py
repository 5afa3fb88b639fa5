"""pytriton: Triton's own server and batcher, with the model in this process.

A picture's file is the whole body; Triton's "raw binary request" takes it, with ``Inference-Header-Content-Length: 0``.
"""

import json
import os
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.pictures.model import BATCH_SIZE, DELAY_MS, PORT, WORKERS, PictureModel


def worker() -> Callable[[Any], Any]:
    """A model of its own, and the function that answers a batch with it."""
    model = PictureModel()

    def answer(requests: Any) -> list[dict[str, Any]]:
        bodies = [bytes(request["picture"][0, 0]) for request in requests]
        answers = [json.dumps(found).encode() for found in model.answer(bodies)]
        return [{"answer": np.array([[found]], dtype=object)} for found in answers]

    return answer


if __name__ == "__main__":
    # Triton starts a Python of its own, which must find the library of this one.
    os.environ["LD_LIBRARY_PATH"] = sysconfig.get_config_var("LIBDIR")
    local = {f"{protocol}_address": "127.0.0.1" for protocol in ("http", "grpc")}
    ports = {"http_port": PORT, "grpc_port": int(os.environ["GRPC_PORT"])}
    with Triton(config=TritonConfig(**local, **ports, allow_metrics=False, exit_timeout_secs=5)) as triton:
        triton.bind(
            model_name="resnet18",
            infer_func=[worker() for _ in range(WORKERS)],
            inputs=[Tensor(name="picture", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="answer", dtype=bytes, shape=(1,))],
            config=ModelConfig(
                max_batch_size=BATCH_SIZE, batcher=DynamicBatcher(max_queue_delay_microseconds=1000 * DELAY_MS)
            ),
        )
        triton.serve()
