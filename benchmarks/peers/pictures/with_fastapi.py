"""FastAPI under uvicorn, with the micro-batcher that people write for it: a queue, and one task that empties it."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from benchmarks.peers.pictures.model import BATCH_SIZE, DELAY_MS, PORT, WORKERS, PictureModel


class MicroBatcher:
    """Answers with one call of the model what is asked at about the same time."""

    def __init__(self, model: PictureModel) -> None:
        self.model = model
        self.waiting: asyncio.Queue[tuple[Any, asyncio.Future[dict[str, float]]]] = asyncio.Queue()
        self.thread = ThreadPoolExecutor(1)

    async def ask(self, pixels: Any) -> dict[str, float]:
        answer: asyncio.Future[dict[str, float]] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((pixels, answer))
        return await answer

    async def gather(self) -> list[tuple[Any, asyncio.Future[dict[str, float]]]]:
        batch = [await self.waiting.get()]
        try:
            async with asyncio.timeout(DELAY_MS / 1000):
                while len(batch) < BATCH_SIZE:
                    batch.append(await self.waiting.get())
        except TimeoutError:
            pass
        return batch

    async def run(self) -> None:
        while True:
            batch = await self.gather()
            pictures = [pixels for pixels, _ in batch]
            try:
                answers = await asyncio.get_running_loop().run_in_executor(self.thread, self.model.predict, pictures)
            except Exception as error:
                for _, waiting in batch:
                    waiting.set_exception(error)
                continue
            for (_, waiting), answer in zip(batch, answers, strict=True):
                waiting.set_result(answer)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.model = PictureModel()
    app.state.batcher = MicroBatcher(app.state.model)
    task = asyncio.create_task(app.state.batcher.run())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/predictions/resnet18")
async def predict(request: Request) -> dict[str, float]:
    model: PictureModel = app.state.model
    body = await request.body()
    pixels = await asyncio.get_running_loop().run_in_executor(model.pool, model.decode, body)
    answer: dict[str, float] = await app.state.batcher.ask(pixels)
    return answer


if __name__ == "__main__":
    # By its name, which uvicorn's workers import.
    name = "benchmarks.peers.pictures.with_fastapi:app"
    uvicorn.run(name, host="127.0.0.1", port=PORT, workers=WORKERS, access_log=False, log_level="warning")
