"""Hundreds of archives that could harm are refused in one sentence, nothing of them runs, and sound ones are taken."""

import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from marina.errors import MarinaError
from marina.packing import MAX_ENTRIES, Entry, directory
from marina.reading import read_served
from tests.marina.hostile_archives import CANARY, good_archives, hostile_archives
from tests.servers import marina

LONGEST_S = 20  # of CPU for any of them: a bomb would take minutes


def refusal(path: Path) -> str:
    """Why an archive is refused; nothing where it is taken."""
    try:
        read_served(path)
    except MarinaError as error:
        return str(error)
    return ""


def test_hostile_archives_are_refused_in_one_sentence(tiny_archive: Path, tmp_path: Path) -> None:
    CANARY.unlink(missing_ok=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    path = tmp_path / "store" / "colours.mar"
    path.parent.mkdir()
    count = 0
    for what, data in hostile_archives(tiny_archive.read_bytes()):
        count += 1
        path.write_bytes(data)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        sentence = refusal(path)
        assert sentence.startswith("colours.mar"), f"{what}: {sentence or 'taken'}"
        assert "\n" not in sentence, what
        assert len(sentence) < 400, what
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < LONGEST_S, what
    assert count >= 200
    assert not CANARY.exists()
    assert not list(outside.iterdir())
    assert [each.name for each in path.parent.iterdir()] == ["colours.mar"]


def test_sound_archives_are_taken(tiny_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "colours.mar"
    count = 0
    for what, data in good_archives(tiny_archive.read_bytes()):
        count += 1
        path.write_bytes(data)
        assert refusal(path) == "", what
    assert count >= 60


def test_the_command_and_a_server_refuse_them_too(tiny_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "colours.mar"
    for what, data in islice(hostile_archives(tiny_archive.read_bytes()), 0, None, 97):
        path.write_bytes(data)
        for command in (["verify", path], ["serve", "--store", tmp_path, "--port", "0"], ["run", path, path]):
            done = subprocess.run(marina(*command), capture_output=True, text=True)
            assert done.returncode == 1, what
            assert done.stderr.startswith("marina: colours.mar"), what
            assert done.stderr.count("\n") == 1, what


MEASURE = """
import resource, sys
from pathlib import Path
from marina.errors import MarinaError
from marina.verify import read_archive
import google.protobuf, onnx, picklescan.scanner
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
open("/proc/self/clear_refs", "w").write("5")
before, began = peak(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
try:
    read_archive(Path(sys.argv[1]))
    print("sound")
except MarinaError as error:
    print(error)
print(peak() - before)
"""


def verify_measured(path: Path) -> tuple[str, float]:
    """What verifying says, and the MB that it takes at most."""
    output = subprocess.check_output([sys.executable, "-c", MEASURE, str(path)], text=True, timeout=170)
    sentence, kilobytes = output.splitlines()
    return sentence, int(kilobytes) / 1024


def million_entries() -> Iterator[tuple[str, bytes]]:
    """A million files, in the two ways that a zip can say so, and a directory as long as theirs."""
    records = b"".join(Entry(f"{number:07}.txt", 0, 0, 0).record for number in range(1000)) * 1000
    size = len(records)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, size, 0)
    yield "zip64", records + zip64 + struct.pack("<4sIQI", b"PK\6\7", 0, size, 1) + end
    yield "zip", records + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, size, 0, 0)
    yield "few that are long", records + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, MAX_ENTRIES, MAX_ENTRIES, size, 0, 0)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_a_million_entries_cost_next_to_nothing(tmp_path: Path) -> None:
    for what, data in million_entries():
        (tmp_path / "colours.mar").write_bytes(data)
        sentence, megabytes = verify_measured(tmp_path / "colours.mar")
        assert "more than" in sentence, what
        assert megabytes < 50, what


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_a_large_archive_is_verified_piece_by_piece(
    tiny_archive: Path, tmp_path: Path, build_large: Callable[[Path, Path, int], None]
) -> None:
    """A quarter of a GB here; ``MEASURE`` on 2 GB took no more."""
    build_large(tiny_archive, tmp_path / "colours.mar", 256 << 20)
    sentence, megabytes = verify_measured(tmp_path / "colours.mar")
    assert sentence == "sound"
    assert megabytes < 100


@pytest.fixture
def build_large() -> Callable[[Path, Path, int], None]:
    """Writes the archive with so many bytes more of weights, without holding them."""
    import hashlib
    import json
    import zlib

    from marina.packing import PROVENANCE
    from marina.verify import read_archive

    def build(source: Path, target: Path, size: int) -> None:
        contents = dict(read_archive(source))
        header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
        head, piece = struct.pack("<Q", len(header)) + header, bytes(range(256)) * 4096
        crc, digest = zlib.crc32(head), hashlib.sha256(head)
        for _ in range(size // len(piece)):
            crc = zlib.crc32(piece, crc)
            digest.update(piece)
        name = "weights.safetensors"
        provenance = json.loads(contents[PROVENANCE])
        provenance["files"][name] = digest.hexdigest()
        contents[PROVENANCE] = json.dumps(provenance).encode()
        entries: list[Entry] = []
        with target.open("wb") as file:
            for each in sorted([*contents, name]):
                data = contents.get(each, b"")
                length = len(data) if each != name else len(head) + size
                entries.append(Entry(each, zlib.crc32(data) if each != name else crc, length, file.tell()))
                file.write(entries[-1].header + (data if each != name else head))
                for _ in range(size // len(piece) if each == name else 0):
                    file.write(piece)
            file.write(directory(entries))

    return build
