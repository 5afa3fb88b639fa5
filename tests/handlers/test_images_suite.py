"""Pillow's own test pictures, damaged and odd ones among them: what Pillow loads without a warning is answered.

They lie in Pillow's source distribution, which is fetched once into pytest's cache.
"""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path

import PIL
import pytest
from PIL import Image

from handlers.errors import RequestError, UnsupportedType
from handlers.image_formats import FORMATS
from handlers.images import decode_image

MAX_PIXELS = 25_000_000
MAX_BYTES = 10_000_000
STATUSES = {400, 413, 415, 422}
INDEX = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
VERSION = PIL.__version__.partition(".post")[0]  # Pillow's fork for AVX2 counts its own releases behind
ARCHIVE = f"pillow-{VERSION}.tar.gz"
LEAST_PICTURES = 250
# Of the pictures in the formats that are taken, those whose samples Pillow 13 takes for what they are not.
SAMPLE_TYPES = {
    "10ct_32bit_128.tiff",
    "16_bit_binary_pgm.tiff",
    "16bit.s.tif",
    "8bit.s.tif",
    "separate_planar_extra_samples.tiff",
}


def find_archive() -> tuple[str, str]:
    """The address of Pillow's source distribution at the package index, and its SHA-256 digest."""
    page = f"{INDEX.rstrip('/')}/pillow/"
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    request = urllib.request.Request(page, headers={"Accept": accept})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        text, base = response.read().decode(), response.geturl()
    if text.lstrip().startswith("{"):
        files = [file for file in json.loads(text)["files"] if file["filename"] == ARCHIVE]
        found = [(file["url"], file["hashes"]["sha256"]) for file in files]
    else:
        found = re.findall(rf'href="([^"#]*{re.escape(ARCHIVE)})#sha256=([0-9a-f]+)"', text)
    if not found:
        pytest.skip(f"the package index has no {ARCHIVE}")
    address, digest = found[0]
    return urllib.parse.urljoin(base, address), digest


@pytest.fixture(scope="module")
def pictures(request: pytest.FixtureRequest) -> Path:
    """The folder of Pillow's test pictures."""
    folder = Path(request.config.cache.mkdir("pillow-pictures")) / VERSION  # type: ignore[union-attr]
    if folder.is_dir():
        return folder
    try:
        address, digest = find_archive()
        with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310
            data = response.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        pytest.skip(f"no package index is reachable for Pillow's test pictures: {error}")
    assert hashlib.sha256(data).hexdigest() == digest
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [member for member in archive if member.isfile() and "/Tests/images/" in member.name]
        archive.extractall(partial, members, filter="data")
    partial.rename(folder)
    return folder


def pillow_loads(data: bytes, formats: tuple[str, ...] = (*FORMATS, "MPO")) -> bool:
    """Whether Pillow, of the same formats, makes RGB of it without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with Image.open(io.BytesIO(data), formats=formats) as image:
                image.load()
                image.getexif()
                return image.convert("RGB").width * image.height <= MAX_PIXELS
        except Exception:
            return False


def test_pillows_pictures_are_answered_or_refused_for_a_reason(pictures: Path) -> None:
    answered = refused = 0
    unlike = []
    for path in sorted(file for file in pictures.rglob("*") if file.is_file()):
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            continue
        try:
            assert decode_image(data, MAX_PIXELS).mode == "RGB"
            answered += 1
        except RequestError as error:
            refused += 1
            is_by_type = path.name in SAMPLE_TYPES and isinstance(error, UnsupportedType)
            if error.status not in STATUSES or (pillow_loads(data) and not is_by_type):
                unlike.append((path.name, str(error)))
    assert unlike == []
    assert answered >= LEAST_PICTURES
    assert refused


def test_pillows_avif_pictures_are_answered_where_the_settings_name_the_format(pictures: Path) -> None:
    for path in sorted(pictures.rglob("*.avif")):
        data = path.read_bytes()
        if pillow_loads(data, ("AVIF",)):
            assert decode_image(data, MAX_PIXELS, formats=[*FORMATS, "AVIF"]).mode == "RGB", path.name
