"""The inputs that are posted: structural mutations, which know what they mutate, and random ones of good inputs.

An input is told by its seed and number alone, so each can be made again.
"""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.attack import formats, texts
from benchmarks.attack.exchange import write_chunked, write_request
from benchmarks.attack.formats.changes import overwrite
from benchmarks.attack.forms import odd_form
from benchmarks.attack.target import MODELS, TASKS, sample_of

STRUCTURAL, RANDOM = "structural", "random"
TYPES = {
    "image": ("image/jpeg", "image/png", "image/tiff", "image/webp", "image/x-nobody", "IMAGE/GIF", "image/", "image"),
    "text": ("text/plain", "text/plain; charset=utf-8", "TEXT/PLAIN;CHARSET=UTF-8", "text/plain; charset=latin-1"),
}
ODD_TYPES = (
    "", "application/octet-stream", "application/x-www-form-urlencoded", "application/json", "text/html", "*/*",
    "a/b/c", "image/jpeg, text/plain", "application/json; charset=iso-8859-1",
    "application/json; charset=utf-16", "text/plain; charset=",
    'text/plain; charset="', "text/plain; charset=nobody", "application/xml", "image/svg+xml",
    "image/heic", "image/avif",
    "application/x-python-pickle", "application/problem+json", "x" * 3000, "\u00fc/\u00e9", "image/png;" + "a=b;" * 400,
)  # fmt: skip
FIELDS = {"image": "image", "text": "text"}


@dataclass(frozen=True)
class Input:
    """One request: what is posted where, and how it is put on the wire."""

    number: int
    kind: str  # structural or random
    family: str  # what it was made from
    model: str
    content_type: str | None
    content: bytes
    framing: str = "length"

    def wire(self, host: str) -> bytes:
        path = f"/predictions/{self.model}"
        rng = random.Random(self.number)  # noqa: S311 (no secret)
        if self.framing == "chunked":
            sizes = [rng.choice((1, 2, 7, 100, 4096)) for _ in range(rng.randrange(12))]
            return write_chunked(host, path, self.content, self.content_type, sizes, rng.choice(("", ";a=b", ';x="y"')))
        if self.framing == "expect":
            return write_request(host, path, self.content, self.content_type, [("Expect", "100-continue")])
        if self.framing == "put":
            return write_request(host, path + "/1.0", self.content, self.content_type, method="PUT")
        return write_request(host, path, self.content, self.content_type)


def make_input(kind: str, seed: int, number: int, canary: str) -> Input:
    """The input of that number."""
    rng = random.Random(f"{seed} {kind} {number}")  # noqa: S311 (no secret)
    model = MODELS[number % len(MODELS)]
    task = TASKS[model]
    make = structural if kind == STRUCTURAL else mutated_at_random
    family, content_type, content = make(rng, task, model, canary)
    framing = rng.choice(("length",) * 7 + ("chunked", "chunked", "put", "expect"))
    return Input(number, kind, family, model, content_type, content, framing)


def structural(rng: random.Random, task: str, model: str, canary: str) -> tuple[str, str | None, bytes]:
    """A family, a content type and a content."""
    if task == "image":
        family = rng.choice(("png", "jpeg", "gif", "bmp", "tiff", "tiff", "webp", "valid"))
        value, own = (
            formats.valid_picture(rng)
            if family == "valid"
            else (formats.PICTURES[family](rng, canary), f"image/{family}")
        )
    else:
        family, own = "text", "text/plain"
        value = texts.text_bytes(rng, texts.odd_text(rng, canary))
    way = rng.choice(("raw", "raw", "raw", "json", "form", "form", "lying type"))
    if way == "raw":
        return f"{family} raw", own, value
    if way == "form":
        inner = wrap_json(rng, task, value, canary) if rng.random() < 0.2 else value
        content_type, content = odd_form(rng, inner, canary)
        return f"{family} in a form", clean_header(content_type), content
    if way == "json":
        declared = rng.choice(
            ("application/json",) * 6 + ("application/json; charset=utf-8", "application/json;", None)
        )
        return f"{family} in JSON", declared, wrap_json(rng, task, value, canary)
    content = rng.choice((value, wrap_json(rng, task, value, canary), b"", b" ", canary.encode()))
    return (
        f"{family} with a type that lies",
        clean_header(rng.choice((*ODD_TYPES, *TYPES["image"], *TYPES["text"]))),
        content,
    )


def wrap_json(rng: random.Random, task: str, value: bytes, canary: str) -> bytes:
    text = odd_base64(rng, value, canary) if task == "image" else value.decode("utf-8", "replace")
    return texts.odd_json(rng, FIELDS[task], text, canary)


def odd_base64(rng: random.Random, value: bytes, canary: str) -> str:
    """The bytes in base64, or in nearly base64."""
    packed = base64.b64encode(value).decode()
    return rng.choice(
        (
            lambda: packed,
            lambda: packed,
            lambda: base64.urlsafe_b64encode(value).decode(),
            lambda: packed.rstrip("="),
            lambda: packed + "=" * rng.randrange(1, 5),
            lambda: base64.encodebytes(value).decode(),
            lambda: " ".join(packed[begin : begin + 5] for begin in range(0, len(packed), 5)),
            lambda: f"data:image/png;base64,{packed}",
            lambda: f"data:{canary},{packed}",
            lambda: "data:" + packed,
            lambda: packed.replace("A", "-").replace("B", "_"),
            lambda: packed[: rng.randrange(len(packed) + 1)],
            lambda: (
                packed[: len(packed) // 2]
                + rng.choice(("=", "\u00e9", "!", "\x00", canary))
                + packed[len(packed) // 2 :]
            ),
            lambda: base64.b64encode(packed.encode()).decode(),
            lambda: base64.b32encode(value).decode(),
            lambda: value.hex(),
            lambda: "",
        )
    )()


def clean_header(value: str) -> str:
    """What can stand in a header at all: HTTP's framing is not what is mutated here."""
    return value.replace("\r", "").replace("\n", "")


def mutated_at_random(rng: random.Random, task: str, model: str, canary: str) -> tuple[str, str | None, bytes]:
    """A good request with bits flipped, bytes removed, inserted, repeated or taken from another."""
    content_type, content = good_request(rng, task, model, canary)
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        rng.choice(DAMAGES)(rng, damaged, lambda: good_request(rng, task, model, canary)[1])
    return f"{task}, damaged at random", content_type, bytes(damaged)


def good_request(rng: random.Random, task: str, model: str, canary: str) -> tuple[str, bytes]:
    if task == "image":
        sample = sample_of(model)
        value, own = rng.choice((formats.valid_picture(rng), (sample.content, sample.content_type)))
        value += canary.encode() if rng.random() < 0.3 else b""
        field = json.dumps({"image": base64.b64encode(value).decode()}).encode()
    else:
        text = f"{texts.SCRIPTS[0]} {canary} wrote to George Washington of New York. {rng.choice(texts.SCRIPTS)}"
        value, own = text.encode(), "text/plain; charset=utf-8"
        field = json.dumps({"text": text}, ensure_ascii=rng.random() < 0.5).encode()
    way = rng.randrange(4)
    if way == 0:
        return "application/json", field
    if way == 1:
        head = f'--{canary}\r\nContent-Disposition: form-data; name="data"; filename="a"\r\nContent-Type: {own}\r\n\r\n'
        return f"multipart/form-data; boundary={canary}", head.encode() + value + f"\r\n--{canary}--\r\n".encode()
    return own, value


Damage = Callable[[random.Random, bytearray, Callable[[], bytes]], None]


def flip_bits(rng: random.Random, content: bytearray, other: Callable[[], bytes]) -> None:
    for _ in range(rng.choice((1, 1, 3, 30))):
        if content:
            content[rng.randrange(min(len(content), rng.choice((64, 1024, 1 << 30))))] ^= 1 << rng.randrange(8)


def remove(rng: random.Random, content: bytearray, other: Callable[[], bytes]) -> None:
    begin = rng.randrange(len(content) + 1)
    del content[begin : begin + rng.choice((1, 4, 100, 1 << 30))]


def insert(rng: random.Random, content: bytearray, other: Callable[[], bytes]) -> None:
    begin = rng.randrange(len(content) + 1)
    content[begin:begin] = rng.choice(
        (rng.randbytes(rng.choice((1, 4, 100))), bytes(rng.choice((1, 300))), b"\xff" * 9)
    )


def double(rng: random.Random, content: bytearray, other: Callable[[], bytes]) -> None:
    begin = rng.randrange(len(content) + 1)
    content[begin:begin] = content[begin : begin + rng.choice((1, 16, 1000))] * rng.choice((1, 2, 20))


def splice(rng: random.Random, content: bytearray, other: Callable[[], bytes]) -> None:
    found = other()
    del content[rng.randrange(len(content) + 1) :]
    content += found[rng.randrange(len(found) + 1) :]


def put_number(rng: random.Random, content: bytearray, other: Callable[[], bytes]) -> None:
    content[:] = overwrite(rng, bytes(content))


DAMAGES: tuple[Damage, ...] = (flip_bits, flip_bits, remove, insert, double, splice, put_number)
