"""The small parts of the tool."""

import os
import socket
import stat
from pathlib import Path

import pytest

from marina.archive import build_archive
from marina.catalog import find_archives
from marina.door import list_predictions
from marina.errors import MarinaError
from marina.java import find_java, java_version
from marina.model_config import read_model_config
from marina.ports import claim_ports
from marina.reading import read_served
from marina.run_folder import write_private
from tests.tiny import write_tiny_names


def test_a_free_port_is_given_and_a_busy_one_is_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        busy = holder.getsockname()[1]
        with pytest.raises(MarinaError, match=rf"port {busy} on 127.0.0.1 .* \(--metrics-port"):
            claim_ports({"door": (0, "127.0.0.1"), "metrics": (busy, "127.0.0.1")})
    claimed = claim_ports({"door": (0, "127.0.0.1"), "metrics": (busy, "127.0.0.1")})
    assert claimed["metrics"] == busy != claimed["door"]


def test_a_java_that_is_new_enough_is_found() -> None:
    assert java_version(find_java()) >= 17
    assert java_version(Path("a java that does not exist")) == 0


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarinaError, match="marina archive"):
        find_archives(tmp_path, [])
    with pytest.raises(MarinaError, match="no archive resnet19"):
        find_archives(tmp_path, ["resnet19"])


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "key", "secret")
    assert stat.S_IMODE(os.stat(tmp_path / "key").st_mode) == 0o600


def test_two_archives_can_not_have_one_route(tmp_path: Path) -> None:
    for name in ("names", "others"):
        write_tiny_names(tmp_path / name)
        build_archive(tmp_path / name, tmp_path)
    names, others = (read_served(tmp_path / f"{name}.mar") for name in ("names", "others"))
    assert list_predictions([names])["/names"] == "names"
    with pytest.raises(MarinaError, match="names and others both want /names"):
        list_predictions([names, others])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("route: names", "route: predictions"), "archive.route"),
        (("route: names", "route: a/b"), "archive.route"),
        (("route: names", 'route: "x; y"'), "archive.route"),
        (('version: "1.0"', f'version: "{"1" * 300}"'), "archive.version"),
    ],
)
def test_what_becomes_an_address_is_plain(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    write_tiny_names(tmp_path / "names")
    config = tmp_path / "names/model-config.yaml"
    assert change[0] in config.read_text()
    config.write_text(config.read_text().replace(*change))
    with pytest.raises(MarinaError, match=key):
        read_model_config(config.parent)
