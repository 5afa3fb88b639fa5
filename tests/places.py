"""Where an archive can live, asked in one way: a server over HTTP, or plain Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import httpx

from marina.bodies import Body
from marina.catalog import find_archives
from marina.local import Answer, LocalModel
from marina.reading import read_served

Request = tuple[bytes, str]  # a body and its content type


class Place(Protocol):
    """A place that answers predictions."""

    def post(self, path: str, content: bytes, content_type: str = "") -> httpx.Response:
        """What it answers at an address, ``/predictions/<model>`` or a route."""

    def post_together(self, path: str, requests: Sequence[Request]) -> list[httpx.Response]:
        """The same for requests that come at once, so that they meet in batches."""

    def predict(self, model: str, content: bytes, content_type: str = "") -> httpx.Response:
        """What a model answers."""


class InProcess:
    """Every archive of a store by ``marina.load``; each is loaded when it is first asked."""

    def __init__(self, store: Path) -> None:
        archives = [read_served(path) for path in find_archives(store, [])]
        self.paths = {address: archive.path for archive in archives for address in archive.addresses}
        self.models: dict[Path, LocalModel] = {}

    def post(self, path: str, content: bytes, content_type: str = "") -> httpx.Response:
        return self.post_together(path, [(content, content_type)])[0]

    def post_together(self, path: str, requests: Sequence[Request]) -> list[httpx.Response]:
        bodies = [Body(content, content_type) for content, content_type in requests]
        return [as_response(answer) for answer in self.model(path).answer_batch(bodies)]

    def predict(self, model: str, content: bytes, content_type: str = "") -> httpx.Response:
        return self.post(f"/predictions/{model}", content, content_type)

    def model(self, path: str) -> LocalModel:
        archive = self.paths[path]
        if archive not in self.models:
            self.models[archive] = LocalModel(archive)
        return self.models[archive]

    def close(self) -> None:
        for model in self.models.values():
            model.close()


def as_response(answer: Answer) -> httpx.Response:
    return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)
