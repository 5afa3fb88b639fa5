"""Whatever a client sends, it gets the status that fits within two seconds, alone, in one form."""

import base64
import gzip
import json
import struct
import subprocess
import time
import zlib
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from tests.conftest import encode
from tests.places import Place
from tests.servers import RunningServer

LIMIT_S = 2


def wide_png(width: int = 10_000, height: int = 10_000) -> bytes:
    """A picture of 100 million pixels in about 100 KB: zeros compress well."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


def tiff_of(*tags: tuple[int, int], body: bytes = bytes(64)) -> bytes:
    """A TIFF of 4 x 4 pixels of one sample, with further tags (or others in place of its own)."""
    given = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: len(body), **dict(tags)}
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in sorted(given.items()))
    start = struct.pack("<L", 8 + len(body))
    return b"II*\0" + start + body + struct.pack("<H", len(given)) + entries + bytes(4)


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


# name: (body of a good picture's bytes, content type, status, type)
BAD: dict[str, tuple[Callable[[bytes], bytes], str, int, str]] = {
    "truncated": (lambda good: good[: len(good) // 2], "image/jpeg", 400, "UndecodableImage"),
    "corrupt": (lambda good: good[:30] + bytes(300) + good[330:], "image/jpeg", 400, "UndecodableImage"),
    "empty": (lambda good: b"", "image/jpeg", 400, "EmptyBody"),
    "nothing at all": (lambda good: b"", "", 400, "EmptyBody"),
    "text called image/jpeg": (lambda good: b"an ant", "image/jpeg", 400, "UndecodableImage"),
    "image called text/plain": (lambda good: good, "text/plain", 415, "UnsupportedType"),
    "image called application/pdf": (lambda good: good, "application/pdf", 415, "UnsupportedType"),
    "JSON without the field": (lambda good: as_json({"picture": ""}), "application/json", 422, "MissingField"),
    "JSON list": (lambda good: as_json([1, 2]), "application/json", 422, "MissingField"),
    "JSON null field": (lambda good: as_json({"image": None}), "application/json", 422, "MissingField"),
    "JSON number field": (lambda good: as_json({"image": 5}), "application/json", 400, "MalformedBase64"),
    "JSON empty field": (lambda good: as_json({"image": ""}), "application/json", 400, "EmptyBody"),
    "malformed JSON": (lambda good: b'{"image": ', "application/json", 400, "MalformedJson"),
    "JSON NaN": (lambda good: b'{"image": NaN}', "application/json", 400, "MalformedJson"),
    "JSON in Latin-1": (lambda good: b'{"image": "\xe9"}', "application/json", 400, "MalformedJson"),
    "nested JSON": (lambda good: b"[" * 100_000, "application/json", 400, "MalformedJson"),
    "empty JSON": (lambda good: b"", "application/json", 400, "EmptyBody"),
    "bad base64": (lambda good: as_json({"image": "!!!not base64"}), "application/json", 400, "MalformedBase64"),
    "base64 of text": (
        lambda good: as_json({"image": base64.b64encode(b"an ant").decode()}),
        "application/json",
        400,
        "UndecodableImage",
    ),
    "gzip body": (lambda good: gzip.compress(good), "image/jpeg", 415, "UnsupportedType"),
    "too many pixels": (lambda good: wide_png(), "image/png", 413, "ImageTooLarge"),
    "a small TIFF of a huge tile": (
        lambda good: tiff_of((259, 8), (322, 46_000), (323, 46_000), (324, 8), (325, 64)),
        "image/tiff",
        413,
        "ImageTooLarge",
    ),
    "floats from 0 to 255": (
        lambda good: tiff_of((258, 32), (339, 3), body=struct.pack("<f", 255) * 16),
        "image/tiff",
        415,
        "UnsupportedType",
    ),
    "HEIC": (lambda good: b"\0\0\0\x18ftypheic" + bytes(40), "image/heic", 415, "UnsupportedType"),
    "HEIC called image/jpeg": (lambda good: b"\0\0\0\x18ftypheic" + bytes(40), "image/jpeg", 415, "UnsupportedType"),
    "too many bytes": (lambda good: good + bytes(10_000_000), "image/jpeg", 413, "PayloadTooLarge"),
    "far too many bytes": (lambda good: good + bytes(50_000_000), "image/jpeg", 413, "PayloadTooLarge"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_kind_of_bad_input_gets_its_status(place: Place, jpeg: bytes, name: str) -> None:
    make, content_type, status, kind = BAD[name]
    body = make(jpeg)
    started = time.monotonic()
    response = place.predict("resnet18", body, content_type)
    took_s = time.monotonic() - started
    assert (response.status_code, response.json()["type"]) == (status, kind)
    assert response.json()["code"] == status
    assert set(response.json()) == {"code", "type", "message"}
    assert "/" not in response.json()["message"].replace("image/", "").replace("application/", "").replace(
        "/models.json", ""
    )
    assert took_s < LIMIT_S


def test_a_compressed_body_is_415(server: RunningServer, jpeg: bytes) -> None:
    headers = {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"}
    response = httpx.post(
        f"{server.url}/predictions/resnet18", content=gzip.compress(jpeg), headers=headers, trust_env=False
    )
    assert (response.status_code, response.json()["type"]) == (415, "UnsupportedType")


@pytest.mark.parametrize("path", ["nobody", "resnet18/7.3", "resnet18/1.0/more", "<script>", "", "resnet18%00", "%zz"])
def test_an_unknown_model_or_version_is_404(server: RunningServer, jpeg: bytes, path: str) -> None:
    command = ["curl", "-sS", "--path-as-is", "-T", "-", f"{server.url}/predictions/{path}"]
    answer = json.loads(subprocess.run(command, input=jpeg, capture_output=True, check=True).stdout)
    assert answer["code"] in (400, 404)
    assert "script" not in answer["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/explanations/resnet18/../../predictions/x",
        "/ping/../predictions/resnet18",
        "/wfpredict/x/../../predictions/x",
        "/predictions/../models",
        "/..%2fstate.json",
    ],
)
def test_no_address_leads_round_the_door(server: RunningServer, jpeg: bytes, path: str) -> None:
    command = ["curl", "-sS", "--path-as-is", "-i", "-X", "POST", "--data-binary", "@-", server.url + path]
    printed = subprocess.run(command, input=jpeg, capture_output=True, check=True, text=False).stdout.decode()
    head, _, body = printed.partition("\r\n\r\n")
    assert "x-request-id" not in head.lower() or '"ant"' in body  # TorchServe's mark
    if '"ant"' not in body:
        assert json.loads(body)["code"] in (400, 404, 405)


def test_a_bad_form_is_answered_alone_and_not_logged(server: RunningServer, jpeg: bytes) -> None:
    for content_type in ("multipart/form-data; boundary=", "multipart/form-data"):
        response = server.predict("resnet18", b"secretword" + jpeg, content_type)
        assert response.status_code == 400
        assert response.json()["type"] in ("MalformedForm", "BadRequest")  # the handler's, the door's
    assert "secretword" not in "".join(server.lines)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_only_post_and_put_predict(server: RunningServer, method: str) -> None:
    response = httpx.request(method, f"{server.url}/predictions/resnet18", trust_env=False)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, PUT"


def test_a_form_without_the_field_is_422(server: RunningServer, jpeg: bytes) -> None:
    response = httpx.post(f"{server.url}/predictions/resnet18", files={"photo": jpeg}, trust_env=False)
    assert (response.status_code, response.json()["type"]) == (422, "MissingField")


def test_bad_requests_beside_good_ones_cost_them_nothing(place: Place, jpeg: bytes) -> None:
    """Bad input of every kind among good pictures, all at once, so that they meet in batches."""
    expected = place.predict("resnet18", jpeg, "image/jpeg").json()
    kinds = [kind for name, kind in BAD.items() if "bytes" not in name and kind[1] != ""]
    bad = [(make(jpeg), content_type, status) for make, content_type, status, _ in kinds]
    mixed = [request for each in bad for request in ((jpeg, "image/jpeg", 200), each)]
    responses = place.post_together("/predictions/resnet18", [request[:2] for request in mixed])
    assert [response.status_code for response in responses] == [request[2] for request in mixed]
    assert max(int(response.headers["x-batch-size"]) for response in responses) > 1
    for response in responses:
        if response.status_code == 200:
            assert response.json() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("PNG", "1", {}),
        ("PNG", "LA", {}),
        ("GIF", "P", {}),
        ("WEBP", "RGB", {}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "CMYK", {}),
    ],
)
def test_every_kind_of_picture_is_answered(place: Place, kind: str, mode: str, options: dict[str, object]) -> None:
    picture = Image.effect_noise((320, 240), 90)
    if mode not in ("L", "I;16", "1"):
        picture = picture.convert("RGB")
    body = encode(picture.convert(mode) if picture.mode != mode else picture, kind, **options)
    response = place.predict("resnet18", body, f"image/{kind.lower()}")
    assert response.status_code == 200, response.text
