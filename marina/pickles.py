"""Pickles, told without running them: does loading these bytes import or call something?

Beside picklescan, which knows the imports that are dangerous, the instructions are followed here as pickle follows
them, as far as they go: what breaks off in the middle has acted by then.
"""

import io
import logging
import pickletools
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from marina.packing import Bytes, Source

if TYPE_CHECKING:
    from picklescan.scanner import ScanResult

MOST_STEPS = 1_000_000  # of instructions that are followed; what begins with more of them is a pickle
LONGEST_ARGUMENTS = 4096  # bytes that are looked through before a text's INST
SCANNED_BYTES = 1 << 20  # of a file that is no text, for picklescan, which reads it whole
OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
IMPORTS = {"GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}
GETS = {"GET", "BINGET", "LONG_BINGET"}
PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
# Instruction -> where the object that it calls or changes lies, counted from the stack's top; 0 is below the last mark,
# -1 the first above it.
TARGETS = {"REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3, "OBJ": -1, "APPEND": 2, "SETITEM": 3, "BUILD": 2}
TARGETS |= {"APPENDS": 0, "SETITEMS": 0, "ADDITEMS": 0}
NAME = re.compile(rb"[A-Za-z_][\w.]*")
NUMBER_BYTES = 12  # of a place in the memo, its line's end included
NUMBER = re.compile(rb"[-+\w.]+")
# What stands in a text where a pickle of protocol 0 to 3 imports: a module and a name, each with a line's end.
TEXT_IMPORT = re.compile(rb"[ci](?=([A-Za-z_][\w.]*)\r?\n([A-Za-z_][\w.]*)\r?\n)")
STACK_IMPORT = b"\x93"
# Of the instructions' values on the stack, only these two kinds matter, and where a list of them begins.
IMPORTED, PLAIN, MARK = "imported", "plain", "mark"
# Modules that a server's environment has beside the standard library's.
KNOWN_MODULES = {"__builtin__", "copy_reg", "commands", "torch", "numpy", "onnx", "PIL", "ts", "mms", "psutil", "yaml"}


class Found(NamedTuple):
    """What following a pickle has shown."""

    acts: bool  # it calls something, or changes something that it imported
    imports: bool
    is_whole: bool  # it reaches its end


def is_pickle(source: Source | bytes) -> bool:
    """Whether the bytes begin as a pickle, or after zeros, that imports or calls something."""
    source = Bytes(source) if isinstance(source, bytes) else source
    zeros = count_zeros(source)
    return any(is_harmful(source, start) for start in {0, zeros})


def is_harmful(source: Source, start: int) -> bool:
    found = follow(source, start)
    if found.acts:
        return True
    if found.is_whole and found.imports:
        first = source.read(start, SCANNED_BYTES)
        # A text of words can be a whole pickle by chance: "cow", "hen" and a line with a dot import `ow`.
        return first[:1] == b"\x80" or not first.isascii() or imports_known(first)
    return False


def hides_pickle(text: bytes) -> bool:
    """Whether a pickle that calls what it imports stands anywhere in a text, whatever is before it."""
    source = Bytes(text)
    for match in TEXT_IMPORT.finditer(text):
        if not is_known(match[1].decode(), match[2].decode()):
            continue
        if text[match.start() : match.start() + 1] == b"i":
            before = text[max(0, match.start() - LONGEST_ARGUMENTS) : match.start()]
            openings = (match.start() - len(before) + place for place, byte in enumerate(before) if byte == ord("("))
            if any(follow(source, place).acts for place in openings):
                return True
        elif follow(source, match.start(), Stack([], is_endless=True)).acts:
            return True
    place = text.find(STACK_IMPORT)
    while place >= 0:
        if follow(source, place, Stack([], is_endless=True)).acts:
            return True
        place = text.find(STACK_IMPORT, place + 1)
    return False


def imported_names(pickle: bytes) -> tuple[set[tuple[str, str]], bool]:
    """Every (module, name) that a pickle imports, and whether picklescan can read it to its end."""
    result = scan(pickle)
    return {(each.module, each.name) for each in result.globals}, not result.scan_err


def imports_known(pickle: bytes) -> bool:
    """Whether a whole pickle imports what picklescan calls dangerous, or anything that a server has."""
    names, _ = imported_names(pickle)
    return any(is_known(module, name) for module, name in names)


def is_known(module: str, name: str) -> bool:
    root = module.partition(".")[0]
    return root in sys.stdlib_module_names or root in KNOWN_MODULES or is_dangerous(f"c{module}\n{name}\n.".encode())


def is_dangerous(pickle: bytes) -> bool:
    """Whether picklescan finds an import that it calls dangerous; it reads what breaks off as far as that goes."""
    return bool(scan(pickle).issues_count)


def scan(pickle: bytes) -> "ScanResult":
    from picklescan.scanner import scan_pickle_bytes

    logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # what it finds is told in the error, once
    return scan_pickle_bytes(io.BytesIO(pickle), "", multiple_pickles=False)


class Underflow(Exception):
    """Where the pickle machine itself would fail."""


class Stack:
    """The pickle machine's stack, of kinds of values; endless where what came before is not known."""

    def __init__(self, values: list[str], is_endless: bool = False) -> None:
        self.values = values
        self.is_endless = is_endless
        self.memo: dict[int, str] = {}

    def pop(self) -> str:
        if self.values:
            return self.values.pop()
        if self.is_endless:
            return PLAIN
        raise Underflow

    def pop_to_mark(self) -> None:
        while self.pop() != MARK:
            if not self.values and self.is_endless:
                return

    def has_mark(self) -> bool:
        return MARK in self.values

    def below(self, depth: int) -> str:
        """The value at that place, counted as in ``TARGETS``."""
        values = self.values
        if depth <= 0:
            marks = [place for place, value in enumerate(values) if value == MARK]
            depth = (len(values) - marks[-1] if marks else len(values)) + (1 if depth == 0 else -1)
        if 0 < depth <= len(values):
            return values[-depth]
        if self.is_endless:
            return PLAIN
        raise Underflow


def follow(source: Source, start: int, stack: Stack | None = None) -> Found:
    """Follows instructions as pickle does, until they end, fail or act."""
    stack = stack or Stack([])
    imports = False
    for count, (opcode, argument) in enumerate(instructions(source, start)):
        if count > MOST_STEPS:
            return Found(True, imports, False)
        name = opcode.name
        try:
            if name == "STOP":
                stack.pop()
                return Found(False, imports, True)
            if acts(name, argument, stack):
                return Found(True, imports, False)
            step(opcode, argument, stack)
        except Underflow:
            return Found(False, imports, False)
        imports = imports or name in IMPORTS
    return Found(False, imports, False)


def acts(name: str, is_known_import: int, stack: Stack) -> bool:
    """Whether the next instruction calls something, or changes something that was imported. Raises Underflow."""
    if name == "INST":
        # "(in", "the" are two lines of a text: of what a server does not have, nothing is called without an argument.
        return stack.has_mark() and bool(is_known_import or stack.below(1) != MARK)
    if stack.is_endless and name != "REDUCE":
        return False  # in a text with signs of many bytes, the others stand by chance
    return name in TARGETS and stack.below(TARGETS[name]) == IMPORTED


def step(opcode: pickletools.OpcodeInfo, argument: int, stack: Stack) -> None:
    """One instruction's effect on the stack. Raises Underflow."""
    name = opcode.name
    if name in GETS:
        if argument not in stack.memo and not stack.is_endless:
            raise Underflow
        stack.values.append(stack.memo.get(argument, PLAIN))
    elif name in PUTS or name == "MEMOIZE":
        stack.memo[argument if name in PUTS else len(stack.memo)] = stack.below(1)
    elif name == "DUP":
        stack.values.append(stack.below(1))
    elif name == "POP":
        stack.pop()
    elif name == "REDUCE":  # of what is not imported: pickle fails
        raise Underflow
    else:
        before = list(opcode.stack_before)
        if pickletools.markobject in before:
            stack.pop_to_mark()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            stack.pop()
        kind = IMPORTED if name in IMPORTS else MARK if name == "MARK" else PLAIN
        stack.values += [kind] * len(opcode.stack_after)


def instructions(source: Source, start: int) -> Iterator[tuple[pickletools.OpcodeInfo, int]]:
    """The instructions from there, each with its number, where it has one; ends where a byte is none.

    Of an import that is named in the instruction, the number is whether a server has that module.
    """
    place = start
    while place < source.size:
        opcode = OPCODES.get(source.read(place, 1)[0])
        place += 1
        if opcode is None:
            return
        if opcode.name in ("GLOBAL", "INST"):
            module, name = read_line(source, place), b""
            name = read_line(source, place + len(module))
            if not (NAME.fullmatch(module.strip()) and NAME.fullmatch(name.strip())):
                return
            place += len(module) + len(name)
            yield opcode, is_known(module.strip().decode(), name.strip().decode())
            continue
        size, number = measure(source, place, opcode)
        if size < 0 or place + size > source.size:
            return
        yield opcode, number
        place += size


def measure(source: Source, place: int, opcode: pickletools.OpcodeInfo) -> tuple[int, int]:
    """How many bytes an instruction's argument has, and its number; -1 where there is no such argument."""
    if opcode.arg is None:
        return 0, 0
    kind = opcode.arg.n
    if kind >= 0:
        return kind, int.from_bytes(source.read(place, kind)[:8], "little")
    if kind == pickletools.UP_TO_NEWLINE:
        line = read_line(source, place)
        if not is_line_of(opcode.name, line):
            return -1, 0
        number = int(line) if line.strip().isdigit() and len(line) < NUMBER_BYTES else 0
        return (len(line) if line.endswith(b"\n") else -1), number
    width = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}.get(kind, 4)
    return width + int.from_bytes(source.read(place, width), "little"), 0


def is_line_of(name: str, line: bytes) -> bool:
    """Whether pickle takes a line for the argument of that instruction.

    PERSID is one that it can't follow by itself: a zip begins like it, and a PNG behind its first byte.
    """
    text = line.strip()
    if name == "STRING":
        return len(text) >= 2 and text[:1] == text[-1:] and text[:1] in (b"'", b'"')
    return name == "UNICODE" or (name != "PERSID" and NUMBER.fullmatch(text) is not None)


def read_line(source: Source, place: int) -> bytes:
    """What stands up to the next line's end, that included."""
    size = 256
    while True:
        found = source.read(place, size)
        end = found.find(b"\n")
        if end >= 0 or len(found) < size:
            return found[: end + 1] if end >= 0 else found
        size *= 16


def count_zeros(source: Source) -> int:
    """How many zeros a source begins with."""
    place = 0
    while place < source.size:
        piece = source.read(place, SCANNED_BYTES)
        left = piece.lstrip(b"\0")
        if left:
            return place + len(piece) - len(left)
        place += len(piece)
    return 0
