"""ONNX files, read piece by piece as far as it takes to know what loading them would reach for.

Walks the protobuf wire format by the schema of the package onnx, over everything in which a tensor or a node can stand:
initializers, sparse tensors, attributes, subgraphs, functions. Weights are stepped over, so that a file of 2 GB is
judged in little memory.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from marina.errors import UnsafeArchive
from marina.packing import Source, show

MOST_DEPTH = 100  # of messages in messages, as protobuf's own readers have it
MOST_FIELDS = 5_000_000
# Domains whose operators come with the runtimes; those of any other are in a library that would have to be loaded.
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
# Operators of ONNX Runtime's own that read another file or call out of the graph.
REACHING = {"EPContext", "PythonOp", "PythonOpGrad", "ExternalOp", "Snpe"}
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}
Field = tuple[int, int, int, int]  # number, wire type, value or length, where the content begins


class NoGraph(ValueError):
    """Bytes that are no ONNX file."""


class GraphFile:
    """What one ONNX file names: ``locations`` as (file, offset, length), the domains of its nodes, its functions."""

    def __init__(self, source: Source) -> None:
        """Reads it. Raises NoGraph."""
        from onnx import ModelProto

        self.source = source
        self.left = MOST_FIELDS
        self.has_nodes = False
        self.locations: list[tuple[str, int, int | None]] = []
        self.operators: set[tuple[str, str]] = set()
        self.functions: set[tuple[str, str]] = set()
        self.walk(ModelProto.DESCRIPTOR, 0, source.size, 0)
        if not self.has_nodes:
            raise NoGraph("it has no nodes")

    def walk(self, kind: Any, place: int, end: int, depth: int) -> dict[str, str]:
        """Looks through one message; gives its own texts by the name of their field."""
        if depth > MOST_DEPTH:
            raise NoGraph("it is nested too deeply")
        texts: dict[str, str] = {}
        entries: list[dict[str, str]] = []
        for number, wire, value, content in self.fields(place, end):
            field = kind.fields_by_number.get(number)
            if field is None or not fits(field, wire):
                raise NoGraph(f"it has a field that {kind.name} does not have")
            if field.message_type is not None:
                found = self.walk(field.message_type, content, content + value, depth + 1)
                if field.name == "external_data":
                    entries.append(found)
            elif field.type == field.TYPE_STRING and kind.name in NAMED and wire == LENGTH:
                texts[field.name] = self.text(content, value)
        if entries:
            self.add_location(entries)
        if kind.name == "NodeProto":
            self.has_nodes = True
            self.operators.add((texts.get("domain", ""), texts.get("op_type", "")))
        if kind.name == "FunctionProto":
            self.functions.add((texts.get("domain", ""), texts.get("name", "")))
        return texts

    def fields(self, place: int, end: int) -> Iterator[Field]:
        """The fields of a message that stands there."""
        while place < end:
            self.left -= 1
            if self.left < 0:
                raise NoGraph("it has too many fields")
            key, place = self.varint(place, end)
            number, wire = key >> 3, key & 7
            if wire == VARINT:
                value, after = self.varint(place, end)
            elif wire in FIXED:
                value, after = 0, place + FIXED[wire]
            elif wire == LENGTH:
                value, place = self.varint(place, end)
                after = place + value
            else:
                raise NoGraph("it is no protobuf")
            if after > end:
                raise NoGraph("it breaks off")
            yield number, wire, value, place
            place = after

    def varint(self, place: int, end: int) -> tuple[int, int]:
        """A number and where it ends."""
        value = 0
        for index, byte in enumerate(self.source.read(place, min(10, end - place))):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, place + index + 1
        raise NoGraph("it breaks off in a number")

    def text(self, place: int, size: int) -> str:
        if size > LONGEST_TEXT:
            raise NoGraph("it has a name that is too long")
        return self.source.read(place, size).decode("utf-8")

    def add_location(self, entries: list[dict[str, str]]) -> None:
        """Remembers where a tensor says that its values are; each key counts, also where it stands twice."""
        values = {"offset": "0"}
        for entry in entries:
            key, value = entry.get("key", ""), entry.get("value", "")
            if key in values and key != "offset":
                raise NoGraph("a tensor says twice where its values are")
            values[key] = value
        numbers = [values["offset"], values.get("length", "0")]
        if "location" not in values or not all(each.isascii() and each.isdigit() for each in numbers):
            raise NoGraph("a tensor does not say where its values are")
        length = int(values["length"]) if "length" in values else None
        self.locations.append((values["location"], int(values["offset"]), length))


# Messages whose texts are looked at, and the most bytes of one of them.
NAMED = {"NodeProto", "FunctionProto", "StringStringEntryProto"}
LONGEST_TEXT = 1 << 20


# The wire type of a field's type, by the numbers in google/protobuf/descriptor.proto; of all others it is VARINT.
WIRES = {1: FIXED64, 6: FIXED64, 16: FIXED64, 2: FIXED32, 7: FIXED32, 15: FIXED32, 9: LENGTH, 11: LENGTH, 12: LENGTH}


def fits(field: Any, wire: int) -> bool:
    """Whether a field of the schema may stand in this wire type; a list of numbers may be packed."""
    own = WIRES.get(field.type, VARINT)
    return wire == own or (wire == LENGTH and field.is_repeated and own != LENGTH)


def check_graph(name: str, source: Source, sizes: Mapping[str, int]) -> None:
    """Refuses a graph that keeps weights in anything but files of its archive, or needs a library of operators.

    ``sizes`` are the bytes of the archive's files. Raises UnsafeArchive.
    """
    graph = read_graph(name, source)
    for location, offset, length in set(graph.locations):
        file = posixpath.join(posixpath.dirname(name), location)
        if file not in sizes:
            raise UnsafeArchive(f"{show(name)} keeps weights in {show(location)}, which is no file of the archive")
        if offset + (length or 0) > sizes[file]:
            raise UnsafeArchive(f"{show(name)} keeps weights behind the end of {show(location)}")
    for domain, operator in sorted(graph.operators):
        is_foreign = domain not in DOMAINS and (domain, operator) not in graph.functions
        if is_foreign or (domain == "com.microsoft" and operator in REACHING):
            raise UnsafeArchive(
                f"{show(name)} needs the operator {show(operator)} of {show(domain)}, which is not known"
            )


def read_graph(name: str, source: Source) -> GraphFile:
    """Raises UnsafeArchive."""
    try:
        return GraphFile(source)
    except ValueError as error:
        raise UnsafeArchive(f"{show(name)} is no sound .onnx file: {error}") from error
