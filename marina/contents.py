"""What each kind of file in an archive has to look like, judged without loading it.

A file is read as far as that takes: of weights the header, of an ONNX graph what is no weight, of a text everything.
"""

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import yaml

from handlers.images import image_format
from marina.errors import UnsafeArchive
from marina.graph_files import GraphFile
from marina.model_config import ConfigLoader, load_yaml
from marina.packing import Bytes, Source, check_names, show
from marina.pickles import hides_pickle, imported_names, is_pickle

MAX_TEXT_BYTES = 32 << 20  # of a file that has to be read whole
MAX_YAML_BYTES = 1 << 20
MAX_JSON_VALUES = 2_000_000  # a tokenizer of 250,000 words has under a million
MAX_DEPTH = 50  # of values in values
MAX_HEADER_BYTES = 32 << 20  # of safetensors
MAX_INNER_ENTRIES = 20_000  # of a TorchScript, which has a file for each tensor
MAX_INNER_NAMES = 8 << 20  # bytes of its directory
MAX_UNPACKED = 256 << 20  # of what it has compressed: its code
TEXT_SUFFIXES = {".txt", ".md", ".csv"}
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
ZIP64_LOCATOR = struct.Struct("<4sIQI")
ZIP64_END = struct.Struct("<4sQ2H2I4Q")
ZIP_END = struct.Struct("<4s4H2IH")
# What the pickles of a TorchScript name; torch.jit's own reader knows these alone, and imports nothing.
TORCHSCRIPT_IMPORTS = re.compile(
    r"__torch__(\.\w+)* \w+|torch\._utils _rebuild_(tensor_v2|qtensor|sparse_tensor|sparse_csr_tensor|parameter)"
    r"|torch\.jit\._pickle (build|restore)_\w+|collections OrderedDict"
    r"|torch (\w+Storage|device|Size|q?u?int\d*|b?float\d*|bool|double|half|long|short|complex\d*)"
)


def check_content(name: str, content: Source | bytes) -> None:
    """Refuses a file that is not plainly what its name says, and a pickle under whatever name. Unpickles nothing."""
    source = Bytes(content) if isinstance(content, bytes) else content
    path = PurePosixPath(name)
    suffix = path.suffix.lower() if path.parts[0] == "samples" else path.suffix  # a camera writes IMG_0001.JPG
    if suffix not in CHECKS:
        known = ", ".join(CHECKS)
        raise UnsafeArchive(f"{show(name)} is of a kind that no archive holds (a pickle?); there are {known}")
    try:
        fault = CHECKS[suffix](source)
    except FAULTS:
        fault = f"it is no sound {suffix} file (a pickle?)"
    if fault:
        raise UnsafeArchive(f"{show(name)}: {fault}")
    if is_pickle(source):
        raise UnsafeArchive(f"{show(name)} is a pickle, which runs code when it is loaded")


def read_whole(source: Source, most: int = MAX_TEXT_BYTES) -> bytes:
    """All of a source. Raises ValueError where that is too much."""
    if source.size > most:
        raise ValueError("too large")
    return source.read(0, source.size)


def read_text(source: Source, most: int = MAX_TEXT_BYTES) -> str:
    """All of a source as text. Raises ValueError where it is none."""
    text = read_whole(source, most).decode("utf-8")
    if "\0" in text:
        raise ValueError("it holds a zero")
    return text


def text_fault(source: Source) -> str:
    return "it holds a pickle, which runs code when it is loaded" if hides_pickle(read_text(source).encode()) else ""


def python_fault(source: Source) -> str:
    read_text(source)
    return ""


def json_fault(source: Source) -> str:
    text = read_text(source)
    if sum(text.count(sign) for sign in "[{,:") > MAX_JSON_VALUES:
        return f"it holds more than {MAX_JSON_VALUES} values"
    json.loads(text)
    return ""


def yaml_fault(source: Source) -> str:
    """Only what every reader of YAML takes for the same values: no tags, no aliases, one document."""
    text = read_text(source, MAX_YAML_BYTES)
    depth = 0
    for event in yaml.parse(text, ConfigLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return "it is nested too deeply"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return "it holds an anchor or an alias: write the value out"
        if any(getattr(event, key, None) for key in ("tag", "tags", "version")):
            return "it holds a tag or a directive, which can name code"
    load_yaml(text)
    return text_fault(source)


def onnx_fault(source: Source) -> str:
    GraphFile(source)
    return ""


def safetensors_fault(source: Source) -> str:
    """An 8-byte length, a JSON header of that length, and the tensors that it tells of, one behind another."""
    (length,) = struct.unpack("<Q", source.read(0, 8))
    if length > min(MAX_HEADER_BYTES, source.size - 8):
        return "its header is longer than it may be"
    header = source.read(8, length)
    fault = json_fault(Bytes(header))
    if fault:
        return fault
    tensors = [entry for name, entry in json.loads(header).items() if name != "__metadata__"]
    place = 0
    for begin, end in sorted(entry["data_offsets"] for entry in tensors):
        if type(begin) is not int or type(end) is not int or begin != place or end < begin:
            return "its tensors do not lie one behind another"
        place = end
    if source.size != 8 + length + place:
        return "it does not end with its last tensor"
    return ""


def picture_fault(source: Source) -> str:
    if source.size > MAX_TEXT_BYTES:
        return f"a picture may have {MAX_TEXT_BYTES} bytes"
    return "" if image_format(source.read(0, 64)) is not None else "it is no picture of a known format"


class SourceFile(io.RawIOBase):
    """A source as a file, for zipfile."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.place = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.source.size}[whence])
        return self.place

    def readinto(self, buffer: Any) -> int:
        piece = self.source.read(self.place, len(buffer))
        buffer[: len(piece)] = piece
        self.place += len(piece)
        return len(piece)


def torchscript_fault(source: Source) -> str:
    """A zip with code, whose pickles name nothing but what torch.jit's own reader knows."""
    if not has_small_directory(source):
        return "its directory is larger than it may be"
    with zipfile.ZipFile(io.BufferedReader(SourceFile(source))) as inner:
        entries = inner.infolist()
        names = [entry.filename for entry in entries]
        check_names(names)
        paths = [PurePosixPath(name) for name in names]
        if len({path.parts[0] for path in paths}) != 1:
            return "it is no TorchScript (a pickle?)"
        if not any("code" in path.parts for path in paths) or not any(path.name == "constants.pkl" for path in paths):
            return "it is no TorchScript (a pickle?)"
        sizes = [0, 0]
        for entry in entries:
            sizes[entry.compress_type != zipfile.ZIP_STORED] += entry.file_size
        if sizes[0] > source.size or sizes[1] > MAX_UNPACKED:
            return "it unpacks to more than it may"
        for entry, path in zip(entries, paths, strict=True):
            if path.suffix in (".pkl", ".debug_pkl"):
                fault = pickle_fault(inner.read(entry) if entry.file_size <= MAX_TEXT_BYTES else b"")
                if fault:
                    return f"its {show(entry.filename)} {fault}"
    return ""


def pickle_fault(content: bytes) -> str:
    """What keeps a pickle of a TorchScript from being one."""
    names, is_whole = imported_names(content)
    foreign = [f"{module} {name}" for module, name in sorted(names) if not is_torchscripts(module, name)]
    if foreign:
        return f"imports {show(foreign[0])}"
    return "" if is_whole and content else "can't be read"


def is_torchscripts(module: str, name: str) -> bool:
    return TORCHSCRIPT_IMPORTS.fullmatch(f"{module} {name}") is not None


def has_small_directory(source: Source) -> bool:
    """Whether a zip without a comment tells of no more files than may be; zipfile would read them all to know."""
    place = source.size - ZIP_END.size
    mark, *_, count, size, _, comment = ZIP_END.unpack(source.read(max(0, place), ZIP_END.size))
    if mark != b"PK\5\6" or comment:
        raise ValueError("it does not end as a zip does")
    locator = source.read(max(0, place - ZIP64_LOCATOR.size), ZIP64_LOCATOR.size)
    if locator[:4] == b"PK\6\7":
        end = source.read(ZIP64_LOCATOR.unpack(locator)[2], ZIP64_END.size)
        *_, count, size, _ = ZIP64_END.unpack(end)
    return bool(count <= MAX_INNER_ENTRIES and size <= MAX_INNER_NAMES)


# What reading a file of the wrong kind ends with.
FAULTS = (
    *(
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
        OSError,
        EOFError,
    ),
    *(struct.error, zlib.error, zipfile.BadZipFile, yaml.YAMLError),
)
Check = Callable[[Source], str]
CHECKS: dict[str, Check] = {
    ".py": python_fault,
    **dict.fromkeys(sorted(TEXT_SUFFIXES), text_fault),
    **dict.fromkeys(sorted(PICTURE_SUFFIXES), picture_fault),
    ".json": json_fault,
    ".yaml": yaml_fault,
    ".onnx": onnx_fault,
    ".safetensors": safetensors_fault,
    ".pt": torchscript_fault,
}
