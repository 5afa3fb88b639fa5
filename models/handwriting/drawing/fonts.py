"""The fonts and the stroke data that characters are drawn from: what, whose licence, and how to get them.

All of them are openly licensed and come from Debian's and npm's registries; none is part of this project.
``python -m models.handwriting.drawing.fonts FOLDER`` fetches them, 0.7 GB.
"""

import argparse
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GLYPH = 96  # px, the side of a glyph's picture
EM = 78  # px, the size that it is drawn at
STROKES, STROKES_VERSION = "hanzi-writer-data", "2.0.1"


@dataclass(frozen=True)
class Font:
    """A font: the package it comes in, its file (a pattern) and face there, and how often it is drawn from."""

    package: str
    file: str
    style: str
    licence: str
    weight: float = 1.0
    face: int = 0
    version: str = ""  # of an npm package; Debian's come in the release's own version
    kept_aside: bool = False  # never learned from: the pictures that choices are made on are drawn from it

    @property
    def name(self) -> str:
        return self.package.partition("/")[2] if self.version else Path(self.file).stem

    @property
    def source(self) -> str:
        """Where to find it, for people."""
        return f"npm {self.package} {self.version}" if self.version else f"Debian {self.package}"


OFL, ARPHIC, CWTEX = "OFL-1.1", "Arphic Public License", "GPL-2+"
STROKES_LICENCE = ARPHIC
FONTS = (
    Font("fonts-cns11643-kai", "TW-Kai-98_1.ttf", "kai", "OGDL-TW-1.0", 1.5),
    Font("fonts-arphic-ukai", "ukai.ttc", "kai", ARPHIC, face=2),
    Font("fonts-arphic-bkai00mp", "bkai00mp.ttf", "kai", ARPHIC),
    Font("fonts-cwtex-kai", "cwkai.ttf", "kai", CWTEX),
    Font("fonts-lxgw-wenkai", "LXGWWenKai-Light.ttf", "kai", OFL, 1.5),
    Font("fonts-klee", "KleeOne-Regular.ttf", "handwriting", OFL, 2.0),
    Font("@fontsource/iansui", "*", "handwriting", OFL, 4.0, version="5.3.0"),
    Font("@fontsource/yuji-mai", "*", "brush", OFL, version="5.3.0"),
    Font("@fontsource/zen-kurenaido", "*", "handwriting", OFL, 2.0, version="5.3.0"),
    Font("@fontsource/yomogi", "*", "handwriting", OFL, 2.0, version="5.3.0"),
    Font("@fontsource/zhi-mang-xing", "*", "running", OFL, 3.0, version="5.3.0"),
    Font("@fontsource/long-cang", "*", "running", OFL, 3.0, version="5.3.0"),
    Font("@fontsource/liu-jian-mao-cao", "*", "running", OFL, 1.5, version="5.3.0"),
    Font("@fontsource/ma-shan-zheng", "*", "brush", OFL, version="5.3.1"),
    Font("@fontsource/yusei-magic", "*", "marker", OFL, 1.5, version="5.3.0", kept_aside=True),
    Font("fonts-yozvox-yozfont-standard-kana", "YOzRS_.ttf", "handwriting", OFL, 2.5, kept_aside=True),
    Font("fonts-kiloji", "kiloji.ttf", "handwriting", "BSD-3-Clause", 2.5),
    Font("fonts-seto", "setofont.ttf", "handwriting", OFL, 2.5),
    Font("fonts-kouzan-mouhitsu", "kouzan-mouhitsu-gyosho.ttf", "running", "public domain", 2.0),
    Font("fonts-arphic-uming", "uming.ttc", "ming", ARPHIC, 0.3, face=2),
    Font("fonts-cns11643-sung", "TW-Sung-98_1.ttf", "song", "OGDL-TW-1.0", 0.3),
    Font("fonts-cwtex-fs", "cwfs.ttf", "fangsong", CWTEX, 0.5),
    Font("fonts-cwtex-heib", "cwheib.ttf", "hei", CWTEX, 0.3),
    Font("fonts-cwtex-yen", "cwyen.ttf", "round", CWTEX, 0.3),
    Font("fonts-noto-cjk", "NotoSansCJK-Regular.ttc", "hei", OFL, 0.5, face=3),
    Font("@fontsource/chocolate-classical-sans", "*", "hei", OFL, 0.3, version="5.3.0"),
)


def fetch(folder: Path) -> None:
    """Downloads and unpacks every font and the stroke data under ``folder``; what is there already is kept."""
    packages = {font.package: font.version for font in FONTS} | {STROKES: STROKES_VERSION}
    for package, version in packages.items():
        target = package_folder(folder, package)
        if target.exists():
            continue
        partial = target.with_name(target.name + ".partial")
        partial.mkdir(parents=True, exist_ok=True)
        if version:
            subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=partial, check=True)
            subprocess.run(["tar", "xzf", next(partial.glob("*.tgz"))], cwd=partial, check=True)
        else:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=partial, check=True)
            subprocess.run(["dpkg-deb", "-x", next(partial.glob("*.deb")), "."], cwd=partial, check=True)
        for archive in [*partial.glob("*.tgz"), *partial.glob("*.deb")]:
            archive.unlink()
        partial.rename(target)


def package_folder(folder: Path, package: str) -> Path:
    return folder / package.replace("/", "-").lstrip("@")


def stroke_file(folder: Path, character: str) -> Path:
    return package_folder(folder, STROKES) / "package" / f"{character}.json"


class Face:
    """One font, opened: gives the pictures of its glyphs."""

    def __init__(self, folder: Path, font: Font) -> None:
        self.font = font
        self.root = package_folder(folder, font.package)
        self.open = cache(lambda path: ImageFont.truetype(path, EM, index=font.face))

    def file_of(self, character: str) -> Path | None:
        """The file with the character; npm's fonts come in files of a range of characters each."""
        if not self.font.version:
            return next(self.root.rglob(self.font.file))
        for key, ranges in self.subsets().items():
            if any(first <= ord(character) <= last for first, last in ranges):
                weight = "400"
                found = self.root.glob(f"package/files/*-{key.strip('[]')}-{weight}-normal.woff2")
                return next(found, None)
        return None

    @cache  # noqa: B019 - a face lives as long as its program
    def subsets(self) -> dict[str, list[tuple[int, int]]]:
        text = (self.root / "package" / "unicode.json").read_text(encoding="utf-8")
        return {key: list(read_ranges(value)) for key, value in json.loads(text).items()}

    def glyph(self, character: str) -> np.ndarray | None:
        """uint8 (96, 96): how much of each pixel is ink, centred; None where the font lacks the character."""
        file = self.file_of(character)
        if file is None:
            return None
        picture = self.picture(file, character)
        if not picture.any() or np.array_equal(picture, self.missing(file)):
            return None
        return centred(picture)

    @cache  # noqa: B019
    def missing(self, file: Path) -> np.ndarray:
        """What a file shows for a character that it lacks: npm's ranges promise more than the files hold."""
        return self.picture(file, "\U0010fffd")

    def picture(self, file: Path, character: str) -> np.ndarray:
        image = Image.new("L", (2 * GLYPH, 2 * GLYPH))
        ImageDraw.Draw(image).text((GLYPH, GLYPH), character, 255, self.open(file), anchor="mm")
        return np.asarray(image)


def open_faces(folder: Path) -> list[Face]:
    """The fonts that were fetched."""
    return [Face(folder, font) for font in FONTS if package_folder(folder, font.package).exists()]


def read_ranges(text: str) -> Iterable[tuple[int, int]]:
    """The code points of a CSS ``unicode-range``."""
    for part in text.split(","):
        first, _, last = part.strip().removeprefix("U+").partition("-")
        yield int(first, 16), int(last or first, 16)


def centred(picture: np.ndarray) -> np.ndarray:
    """The middle of the ink in the middle of a picture of 96 x 96."""
    rows, columns = picture.any(1).nonzero()[0], picture.any(0).nonzero()[0]
    top = (rows[0] + rows[-1] + 1 - GLYPH) // 2
    left = (columns[0] + columns[-1] + 1 - GLYPH) // 2
    return picture[max(top, 0) :, max(left, 0) :][:GLYPH, :GLYPH]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    fetch(parser.parse_args().folder)


if __name__ == "__main__":
    main()
