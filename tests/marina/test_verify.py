"""An archive that was changed, or could harm, is refused before a server sees it."""

import io
import json
import pickle
import re
import stat
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marina.errors import MarinaError
from marina.packing import PROVENANCE, pack
from marina.pickles import is_pickle
from marina.provenance import digests
from marina.reading import read_served
from marina.verify import UnsafeArchive, check_content, read_archive
from tests.servers import marina

Contents = dict[str, bytes]


class Calls:
    """What a malicious pickle does: calls a function when it is loaded."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return os.system, ("true",)


@pytest.fixture
def contents(tiny_archive: Path) -> Contents:
    return read_archive(tiny_archive)


def repack(contents: Contents, path: Path) -> Path:
    """Packs contents as the tool does, with digests that fit: what a careful attacker would do."""
    document = json.loads(contents[PROVENANCE])
    document["files"] = digests({name: data for name, data in contents.items() if name != PROVENANCE})
    path.write_bytes(pack({**contents, PROVENANCE: json.dumps(document).encode()}))
    return path


def test_a_sound_archive_is_told_by_the_command(tiny_archive: Path) -> None:
    done = subprocess.run(marina("verify", tiny_archive), capture_output=True, text=True)
    assert done.returncode == 0
    assert "sound" in done.stdout


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_one_changed_byte_anywhere_is_seen(
    tiny_archive: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    body = bytearray(tiny_archive.read_bytes())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    changed = tmp_path_factory.getbasetemp() / "changed.mar"
    changed.write_bytes(body)
    with pytest.raises(UnsafeArchive):
        read_archive(changed)


def test_a_shortened_or_lengthened_archive_is_refused(tiny_archive: Path, tmp_path: Path) -> None:
    body = tiny_archive.read_bytes()
    for changed in (body[:-1], body[: len(body) // 2], body + b"x", b"x" + body, b""):
        (tmp_path / "changed.mar").write_bytes(changed)
        with pytest.raises(UnsafeArchive):
            read_archive(tmp_path / "changed.mar")


@pytest.mark.parametrize(
    "name", ["../escape.py", "/etc/escape.py", "a/../../escape.py", "..\\escape.py", "C:escape.py"]
)
def test_a_path_escape_is_refused(contents: Contents, tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeArchive, match="outside"):
        read_archive(repack({**contents, name: b"x"}, tmp_path / "a.mar"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR])
def test_a_link_is_refused(contents: Contents, tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.mar", "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
        link = zipfile.ZipInfo("samples/link")
        link.external_attr = (kind | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UnsafeArchive, match="link"):
        read_archive(tmp_path / "a.mar")


def test_a_file_that_stands_twice_is_refused(contents: Contents, tmp_path: Path) -> None:
    path = repack(contents, tmp_path / "a.mar")
    entry = zipfile.ZipInfo("settings.json")
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, b"{}")
    with pytest.raises(UnsafeArchive, match="twice"):
        read_archive(path)


def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.mar", "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("zeros")
        entry.external_attr = (stat.S_IFREG | 0o644) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, bytes(100_000_000))
    assert (tmp_path / "a.mar").stat().st_size < 1_000_000
    with pytest.raises(UnsafeArchive, match="compressed"):
        read_archive(tmp_path / "a.mar")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["model.pkl", "weights.bin", "labels.json", "notes.txt"])
def test_a_pickle_is_refused_under_any_name(contents: Contents, tmp_path: Path, protocol: int, name: str) -> None:
    harmful = pickle.dumps(Calls(), protocol)
    with pytest.raises(UnsafeArchive, match="pickle"):
        read_archive(repack({**contents, name: harmful}, tmp_path / "a.mar"))


def test_a_torch_checkpoint_is_refused(contents: Contents, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as checkpoint:
        checkpoint.writestr("archive/data.pkl", pickle.dumps(Calls()))
    with pytest.raises(UnsafeArchive, match=r"model\.pt"):
        read_archive(repack({**contents, "model.pt": buffer.getvalue()}, tmp_path / "a.mar"))


@pytest.mark.parametrize("name", ["weights.onnx", "weights.safetensors", "model.pt", "a.jpg", "a.PKL", "a.tgz", "none"])
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_nor_is_one_taken_that_is_packed_cut_or_dressed_up(
    contents: Contents, tmp_path: Path, protocol: int, name: str
) -> None:
    harmful = pickle.dumps(Calls(), protocol)
    for dressed in (harmful[:-1], harmful + b"\xff", zlib.compress(harmful), b"\x93NUMPY\1\0" + harmful, harmful * 2):
        with pytest.raises(UnsafeArchive, match=re.escape(name)):
            read_archive(repack({**contents, name: dressed}, tmp_path / "a.mar"))


@pytest.mark.parametrize("name", ["../escape", "/absolute", "other", "Colours"])
def test_a_name_that_is_not_the_archives_own_is_refused(contents: Contents, tmp_path: Path, name: str) -> None:
    manifest = json.loads(contents["MAR-INF/MANIFEST.json"])
    manifest["model"]["modelName"] = name
    changed = {**contents, "MAR-INF/MANIFEST.json": json.dumps(manifest).encode()}
    with pytest.raises(UnsafeArchive, match="called as its model"):
        read_served(repack(changed, tmp_path / "colours.mar"))


def test_settings_that_do_harm_are_refused(contents: Contents, tmp_path: Path) -> None:
    config = contents["model-config.yaml"] + b"\nuseVenv: true\n"
    with pytest.raises(MarinaError, match="useVenv"):
        read_served(repack({**contents, "model-config.yaml": config}, tmp_path / "colours.mar"))


@given(st.text())
def test_text_is_no_pickle(text: str) -> None:
    assert not is_pickle(text.encode("utf-8", "surrogatepass"))


def test_what_the_archive_holds_is_no_pickle(contents: Contents) -> None:
    for name, content in contents.items():
        check_content(name, content)


def test_an_archive_of_another_tool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mar").write_bytes(pack({"MAR-INF/MANIFEST.json": b"{}"}))
    with pytest.raises(UnsafeArchive, match="not made by marina"):
        read_archive(tmp_path / "a.mar")


def test_the_command_refuses_in_one_sentence(tiny_archive: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mar").write_bytes(tiny_archive.read_bytes()[:-9])
    for path in (tmp_path / "a.mar", tmp_path / "none.mar"):
        done = subprocess.run(marina("verify", path), capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith("marina: ")
        assert "Traceback" not in done.stderr


def test_a_server_refuses_a_changed_archive(tiny_archive: Path, tmp_path: Path) -> None:
    body = bytearray(tiny_archive.read_bytes())
    body[2000] ^= 1
    (tmp_path / "colours.mar").write_bytes(body)
    done = subprocess.run(marina("serve", "--store", tmp_path, "--port", "0"), capture_output=True, text=True)
    assert done.returncode == 1
    assert "marina: " in done.stderr
