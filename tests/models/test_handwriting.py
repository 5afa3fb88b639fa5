"""The handwriting model: what is shipped fits together, and how it was made still runs."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from handlers.runtime import load_model as load_runtime
from models.handwriting.draw import draw_files, other_characters
from models.handwriting.drawing.fonts import package_folder
from models.handwriting.drawing.pictures import GROWING, PRINTED, Pictures, load_characters
from models.handwriting.drawing.strokes import write
from models.handwriting.export import export_members, join_members
from models.handwriting.model import CHARACTERS, MEMBERS, SIZES, WEIGHTS, load_member
from models.weights import save_tensors
from tests.conftest import ROOT

FOLDER = ROOT / "models/handwriting"
# Debian's fonts-arphic-ukai, which scripts/install-packages installs.
INSTALLED = Path("/usr/share/fonts/truetype/arphic")


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the fonts, as if it had been fetched; the others and the stroke data are missing."""
    folder = tmp_path_factory.mktemp("fonts")
    package_folder(folder, "fonts-arphic-ukai").symlink_to(INSTALLED)
    return folder


@pytest.mark.parametrize("member", MEMBERS)
def test_one_weights_file_gives_one_answer_in_every_runtime(member: str) -> None:
    size = SIZES[MEMBERS.index(member)]
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = load_member(member, FOLDER / WEIGHTS)(torch.from_numpy(pixels)).numpy()
    for runtime in ("onnxruntime", "openvino"):
        answer = load_runtime(str(FOLDER / f"{member}.onnx"), runtime, 2)(pixels)
        np.testing.assert_allclose(answer, expected, atol=1e-3)


def test_the_card_holds_the_figures_as_they_were_measured() -> None:
    subprocess.run([sys.executable, "-m", "models.handwriting.card", "--check"], check=True)
    figures = json.loads((FOLDER / "figures.json").read_text())
    assert all(figures["ensemble"]["top_1"] > member["top_1"] for member in figures["members"].values())


def test_a_picture_is_the_same_for_the_same_number(fonts: Path) -> None:
    pictures = Pictures(load_characters(fonts, CHARACTERS[:9]), load_characters(fonts, other_characters()[:9]))
    for number in (0, PRINTED + GROWING // 2, 10**6):
        (first, label), (again, same) = (pictures.draw(3, number) for _ in range(2))
        assert np.array_equal(first, again)
        assert label == same
        assert first.dtype == np.uint8


def test_the_first_pictures_differ_by_nothing_but_their_character(fonts: Path) -> None:
    pictures = Pictures(load_characters(fonts, CHARACTERS[:2]), load_characters(fonts, other_characters()[:2]))
    first = pictures.draw(1, 0)
    for number in range(1, 30):
        easy, hard = pictures.draw(1, number), pictures.draw(1, 10**6 + number)
        if easy[1] == first[1]:
            assert np.abs(easy[0].astype(int) - first[0]).mean() < 8  # what JPEG does
        assert hard[0].shape != first[0].shape or np.abs(hard[0].astype(int) - first[0]).mean() > 8


def test_no_class_is_among_the_other_characters() -> None:
    assert not set(other_characters()) & set(CHARACTERS)
    assert len(other_characters()) > 400


def test_strokes_are_written_as_ink() -> None:
    cross = np.stack([np.linspace((-0.8, 0), (0.8, 0), 10), np.linspace((0, -0.8), (0, 0.8), 10)])
    for seed in range(20):
        ink = write(cross, np.random.default_rng(seed))
        assert ink.shape == (96, 96)
        assert 0.01 < (ink > 128).mean() < 0.5


def test_a_character_that_no_font_has_is_named(fonts: Path) -> None:
    with pytest.raises(ValueError, match="\U00020000"):
        load_characters(fonts, "\U00020000")


def test_training_runs_from_drawings_to_weights_and_goes_on(fonts: Path, tmp_path: Path) -> None:
    for _ in draw_files(fonts, tmp_path / "drawn", range(1), 1, count=130, workers=2):
        pass
    write_dev(tmp_path, fonts)
    trained = tmp_path / "trained"
    command = [sys.executable, "-m", "models.handwriting.train", "--member", MEMBERS[0], "--epochs", "1"]
    command += ["--drawn", str(tmp_path / "drawn"), "--dev", str(tmp_path / "dev.zip"), "--out", str(trained)]
    printed = subprocess.check_output(command, text=True)
    assert "dev top-1" in printed
    resumed = subprocess.check_output([*command[:-2], "--out", str(trained), "--epochs", "2", "--resume"], text=True)
    assert "    2 " in resumed
    assert "    1 " not in resumed
    shipped = {name for name in load_file(FOLDER / WEIGHTS) if name.startswith(f"{MEMBERS[0]}.")}
    assert {f"{MEMBERS[0]}.{name}" for name in load_file(trained / f"{MEMBERS[0]}.safetensors")} == shipped


def test_members_are_joined_as_they_are_shipped(tmp_path: Path) -> None:
    shipped = load_file(FOLDER / WEIGHTS)
    for member in MEMBERS:
        own = {
            name.removeprefix(f"{member}."): value for name, value in shipped.items() if name.startswith(f"{member}.")
        }
        save_tensors(own, tmp_path / f"{member}.safetensors")
    joined = load_file(join_members(tmp_path, tmp_path))
    assert joined.keys() == shipped.keys()
    assert all(torch.equal(joined[name], value) for name, value in shipped.items())


def test_the_graphs_are_small_and_made_again_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes((FOLDER / WEIGHTS).read_bytes())
    export_members(tmp_path / WEIGHTS)
    for member in MEMBERS:
        graph = (FOLDER / f"{member}.onnx").read_bytes()
        assert (tmp_path / f"{member}.onnx").read_bytes() == graph
        assert len(graph) < 300_000


def write_dev(folder: Path, fonts: Path) -> None:
    """Two pictures and the table of their classes, as the real ones come."""
    pictures = Pictures(load_characters(fonts, CHARACTERS[:2]), [])
    with zipfile.ZipFile(folder / "dev.zip", "w") as archive:
        for number in range(2):
            pixels, label = pictures.draw(5, number)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG")
            archive.writestr(f"u{ord(CHARACTERS[label]):x}/{number}.jpg", buffer.getvalue())
    rows = [f"{index},u{ord(character):x}" for index, character in enumerate(CHARACTERS)]
    (folder / "labels.csv").write_text("index,dir\n" + "\n".join(rows) + "\n")
