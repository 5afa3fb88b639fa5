"""Archives as a server needs them: verified, and described for whoever asks.

Verifying takes libraries and memory that serving does not: a server has it done in a process that ends.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handlers.settings import SETTINGS_FILE
from marina.catalog import ServedArchive
from marina.model_config import CONFIG_FILE, check_name, parse_model_config
from marina.openapi import describe_server
from marina.packing import MANIFEST
from marina.verify import UnsafeArchive, VerifiedArchive, read_archive, read_provenance


def read_served(path: Path) -> ServedArchive:
    """Verifies an archive and reads what a server needs of it. Raises MarinaError."""
    return describe_served(path, read_archive(path))


def describe_served(path: Path, contents: VerifiedArchive) -> ServedArchive:
    """What a server needs of a verified archive. Raises MarinaError."""
    server, _, archive = parse_model_config(f"{path.name}: {CONFIG_FILE}", contents[CONFIG_FILE].decode())
    manifest = json.loads(contents[MANIFEST])["model"]
    # The name becomes a folder, an address and a line of nginx's configuration.
    if (manifest["modelName"], manifest["modelVersion"]) != (path.stem, archive.version):
        raise UnsafeArchive(f"{path.name} holds {manifest['modelName']!r}; an archive is called as its model")
    check_name(path.stem)
    origin = read_provenance(contents)
    return ServedArchive(
        path=path.resolve(),
        sha256=contents.sha256,
        name=path.stem,
        version=archive.version,
        server=dict(server),
        handler=json.loads(contents[SETTINGS_FILE]),
        archive=archive,
        variant=origin["variant"],
        samples={Path(name).name: data for name, data in contents.items() if name.startswith("samples/")},
        quality=origin["quality"].get("float32", {}),
        measured=origin.get("measured") or {},
        variants=origin.get("variants", []),
    )


def read_and_describe(paths: Sequence[Path]) -> tuple[list[ServedArchive], dict[str, Any]]:
    """The verified archives, and the OpenAPI document of a server that serves them. Raises MarinaError."""
    archives = [read_served(path) for path in paths]
    return archives, describe_server(archives)
