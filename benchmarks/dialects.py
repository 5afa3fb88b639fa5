"""How servers are asked for a picture, and how they answer: most take the file as it is, some a form of their own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

TIMEOUT_S = 30
BOUNDARY = "a-picture-of-a-bee"


def as_form(picture: bytes) -> bytes:
    """The file as the field "pictures" of multipart/form-data."""
    head = 'Content-Disposition: form-data; name="pictures"; filename="picture.jpg"\r\nContent-Type: image/jpeg'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def read_tensor(response: httpx.Response) -> Any:
    """JSON in Triton's one output of type BYTES: behind a header in JSON, and four bytes of length."""
    return json.loads(response.content[int(response.headers["Inference-Header-Content-Length"]) + 4 :])


@dataclass(frozen=True)
class Dialect:
    content_type: str = "image/jpeg"
    headers: Mapping[str, str] = field(default_factory=dict)  # beside it
    wrap: Callable[[bytes], bytes] = bytes
    read: Callable[[httpx.Response], Any] = httpx.Response.json

    def ask(self, url: str, picture: Path) -> dict[str, float]:
        """A probability a label. Raises httpx.HTTPError, and ValueError where the answer is none."""
        headers = {"Content-Type": self.content_type, **self.headers}
        body = self.wrap(picture.read_bytes())
        response = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        answer = self.read(response.raise_for_status())
        if not isinstance(answer, dict):
            raise ValueError(f"no probability a label: {answer}")
        return answer


PLAIN = Dialect()
FORM = Dialect(f"multipart/form-data; boundary={BOUNDARY}", {}, as_form, lambda response: response.json()[0])
RAW_TENSOR = Dialect("application/octet-stream", {"Inference-Header-Content-Length": "0"}, read=read_tensor)
