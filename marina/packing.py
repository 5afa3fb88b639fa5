"""The archive file itself: a zip that is the same byte for byte whenever its contents are."""

import io
import stat
import zipfile
from collections.abc import Mapping

MANIFEST = "MAR-INF/MANIFEST.json"
PROVENANCE = "provenance.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def pack(contents: Mapping[str, bytes]) -> bytes:
    """A zip of the contents (path in the archive -> bytes): sorted, without times, without compression.

    Weights hardly compress, and what is only stored does not depend on a zlib's version.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(contents):
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.create_system = 3  # Unix, whatever system packs it
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, contents[path])
    return buffer.getvalue()
