"""The handwriting model: what is shipped fits together, and how it was made still runs."""

import io
import json
import lzma
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save

from handlers.runtime import load_model as load_runtime
from models.handwriting.drawing.bank import (
    LEVELS,
    MOST_STROKES,
    Bank,
    make_bank,
    open_bank,
    other_characters,
    pack,
    read_strokes,
)
from models.handwriting.drawing.fonts import STROKES, package_folder
from models.handwriting.drawing.forms import jpeg
from models.handwriting.drawing.hands import write
from models.handwriting.drawing.ink import cover, draw_written, place
from models.handwriting.drawing.pictures import Pictures
from models.handwriting.drawing.variants import VARIANTS
from models.handwriting.export import export_members, join_members
from models.handwriting.figures import calibration_error, compare
from models.handwriting.model import CHARACTERS, LABELS, MEMBERS, SIZES, WEIGHTS, build_member, load_member
from models.handwriting.pretrained import rename
from models.weights import save_tensors
from tests.conftest import ROOT

FOLDER = ROOT / "models/handwriting"
# Debian's fonts-arphic-ukai, which scripts/install-packages installs.
INSTALLED = Path("/usr/share/fonts/truetype/arphic")
CLASSES = 5  # that the tests' bank is made of


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the fonts, as if it had been fetched; the others and the stroke data are missing."""
    folder = tmp_path_factory.mktemp("fonts")
    package_folder(folder, "fonts-arphic-ukai").symlink_to(INSTALLED)
    return folder


@pytest.fixture(scope="module")
def bank(fonts: Path, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """Of a few classes and as many others, without strokes."""
    path = tmp_path_factory.mktemp("bank") / "bank.xz"
    path.write_bytes(lzma.compress(save(make_bank(fonts, CLASSES))))
    return open_bank(path)


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


def test_a_batch_is_drawn_again_from_the_same_seed(bank: Bank) -> None:
    pictures = Pictures(bank, written=0.0)
    for freedom in (0.0, 0.5, 1.0):
        torch.manual_seed(3)
        first, labels = pictures.draw(8, 60, freedom)
        torch.manual_seed(3)
        again, same = pictures.draw(8, 60, freedom)
        assert torch.equal(first, again)
        assert torch.equal(labels, same)
        assert first.shape == (8, 60, 60, 3)
        assert 0 <= first.min() <= first.max() <= 255


def test_the_first_pictures_differ_by_little_but_their_character(bank: Bank) -> None:
    torch.manual_seed(1)
    easy, labels = Pictures(bank, written=0.0).draw(40, 60, 0.0)
    hard, others = Pictures(bank, written=0.0).draw(40, 60, 1.0)
    assert apart(easy, labels) < 0.5 * apart(hard, others)


def apart(pixels: torch.Tensor, labels: torch.Tensor) -> float:
    """How far the pictures of the first class are from one another, in levels."""
    own = pixels[labels == 0]
    return float((own - own[:1]).abs().mean())


def test_every_class_is_drawn_about_as_often(bank: Bank) -> None:
    torch.manual_seed(1)
    pictures = Pictures(bank, written=0.0)
    labels = bank.classes[pictures.choose_forms(9000, pictures.printable, 1.0)]
    counts = labels.bincount(minlength=len(LABELS))[:CLASSES]
    assert counts.min() > 0.8 * counts.max()


def test_a_form_of_a_class_is_chosen_rarely() -> None:
    classes, chances = torch.tensor([0, 0, 1]), torch.tensor([0.0, 0.94, 1.0, 2.0], dtype=torch.float64)
    bank = Bank(
        **dict.fromkeys(("strokes", "counts", "glyphs", "first", "weights", "aside"), chances),
        classes=classes,
        forms=chances,
    )
    torch.manual_seed(1)
    forms = bank.choose_forms(torch.tensor([0, 1]).repeat(5000))
    assert torch.equal(bank.classes[forms], torch.tensor([0, 1]).repeat(5000))
    assert 0.04 < (forms == 1).sum() / 5000 < 0.08


def test_what_is_learned_from_has_no_glyph_of_a_font_kept_aside(bank: Bank) -> None:
    mixed = replace(bank, aside=torch.arange(len(bank.glyphs)) % 3 == 0)
    for aside in (False, True):
        own = mixed.only(aside)
        assert torch.equal(own.glyphs, bank.glyphs[mixed.aside == aside])
        assert own.first[-1] == len(own.glyphs) == len(own.weights) - 1
        for form in range(len(own.classes)):
            theirs = bank.glyphs[bank.first[form] : bank.first[form + 1]]
            kept = mixed.aside[bank.first[form] : bank.first[form + 1]] == aside
            assert torch.equal(own.glyphs[own.first[form] : own.first[form + 1]], theirs[kept])


def test_a_bank_is_read_as_it_was_made(bank: Bank, fonts: Path) -> None:
    made = make_bank(fonts, CLASSES)
    assert torch.equal(made["glyphs"], pack_again(bank.glyphs))
    assert (bank.glyphs.amax((1, 2)) > 200).all()


def pack_again(glyphs: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(pack((glyphs // (255 // LEVELS)).numpy()))


def test_no_class_is_among_the_other_characters() -> None:
    others = other_characters()
    assert not set(others) & (set(CHARACTERS) | set("".join(VARIANTS.values())))
    assert len(others) > 400


def test_no_other_form_is_a_class() -> None:
    assert set(VARIANTS) <= set(CHARACTERS)
    assert not set("".join(VARIANTS.values())) & set(CHARACTERS)


def test_strokes_are_written_as_ink() -> None:
    cross = np.stack([np.linspace((-0.8, 0), (0.8, 0), 10), np.linspace((0, -0.8), (0, 0.8), 10)])
    strokes = torch.zeros(20, MOST_STROKES, 10, 2)
    strokes[:, :2] = torch.from_numpy(cross)
    torch.manual_seed(1)
    written = write(strokes, torch.full((20,), 2))
    assert written.points.abs().max() < 1.1
    ink = draw_written(written, place(20, "cpu"), torch.full((20,), 1.3))
    share = (ink > 0.5).float().mean((1, 2))
    assert ((share > 0.005) & (share < 0.3)).all()


def test_a_stroke_is_as_thick_as_its_pen() -> None:
    dots = torch.stack([torch.linspace(10, 54, 400), torch.full((400,), 32.0)], -1)[None]
    for radius in (1.0, 2.0, 3.0):
        ink = cover(dots, torch.full((1, 400), radius), torch.tensor([radius]))
        assert abs(float(ink[0, :, 32].sum()) - 2 * radius) < 0.6


def test_jpeg_is_as_pillow_makes_it() -> None:
    torch.manual_seed(1)
    smooth = torch.nn.functional.interpolate(255 * torch.rand(1, 3, 6, 6), (64, 64), mode="bicubic").clamp(0, 255)
    pixels = smooth.round()
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[0].permute(1, 2, 0).numpy().astype(np.uint8))
    image.save(buffer, "JPEG", quality=50, subsampling=2)
    expected = np.asarray(Image.open(buffer), np.float32)
    ours = jpeg(pixels, torch.tensor([50.0])).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - expected).mean() < 0.5 * np.abs(pixels[0].permute(1, 2, 0).numpy() - expected).mean()


def test_a_character_that_no_font_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=CHARACTERS[0]):
        make_bank(tmp_path, 1)


def test_a_class_without_strokes_is_put_together_from_others(tmp_path: Path) -> None:
    folder = package_folder(tmp_path, STROKES) / "package"
    folder.mkdir(parents=True)
    line = [[0, 900], [1024, -124]]
    for whole in ("景", "文"):
        (folder / f"{whole}.json").write_text(json.dumps({"medians": [line] * 5}))
    strokes = read_strokes(tmp_path, "旻")
    assert strokes is not None
    assert len(strokes) == 4 + 5
    assert read_strokes(tmp_path, "鋐") is None


def test_training_runs_from_fonts_to_weights(fonts: Path, tmp_path: Path) -> None:
    strokes = package_folder(tmp_path, STROKES) / "package"
    strokes.mkdir(parents=True)
    for character in CHARACTERS[:2]:
        (strokes / f"{character}.json").write_text(json.dumps({"medians": [[[100, 500], [900, 500]]]}))
    package_folder(tmp_path, "fonts-arphic-ukai").symlink_to(INSTALLED)
    made = make_bank(tmp_path, 2)
    made["aside"][::2] = True
    bank = tmp_path / "bank.xz"
    bank.write_bytes(lzma.compress(save(made)))
    command = [sys.executable, "-m", "models.handwriting.train", "--member", MEMBERS[0], "--bank", str(bank)]
    command += ["--seconds", "4", "--batch", "4", "--judged", "4", "--every", "2", "--device", "cpu"]
    command += ["--start", str(FOLDER / WEIGHTS), "--out", str(tmp_path)]
    printed = subprocess.check_output(command, text=True)
    assert "aside top-1" in printed
    shipped = {name for name in load_file(FOLDER / WEIGHTS) if name.startswith(f"{MEMBERS[0]}.")}
    assert {f"{MEMBERS[0]}.{name}" for name in load_file(tmp_path / f"{MEMBERS[0]}.safetensors")} == shipped
    assert json.loads((tmp_path / f"{MEMBERS[0]}.json").read_text())["pictures"] > 0


def test_imagenet_weights_are_renamed_in_order_and_without_their_head() -> None:
    own = build_member("efficientnet_lite2").state_dict()
    renamed = rename({f"_{number}": value for number, value in enumerate(own.values())})
    assert set(own) - {f"network.{name}" for name in renamed} == {
        "network.classifier.weight",
        "network.classifier.bias",
    }
    own["network.conv_stem.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="conv_stem"):
        rename(own)


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


def test_sharper_logits_keep_the_order_of_the_answers(tmp_path: Path) -> None:
    shipped = load_file(FOLDER / WEIGHTS)
    for member in MEMBERS:
        own = {
            name.removeprefix(f"{member}."): value for name, value in shipped.items() if name.startswith(f"{member}.")
        }
        save_tensors(own, tmp_path / f"{member}.safetensors")
    sharper = load_member(MEMBERS[0], join_members(tmp_path, tmp_path, 1.5))
    pixels = torch.randint(0, 256, (2, 60, 60, 3))
    with torch.inference_mode():
        torch.testing.assert_close(
            sharper(pixels), 1.5 * load_member(MEMBERS[0], FOLDER / WEIGHTS)(pixels), atol=0.05, rtol=0.01
        )


def test_a_sure_and_right_ensemble_is_calibrated_and_ahead() -> None:
    labels = torch.arange(100) % 5
    right = torch.nn.functional.one_hot(labels, 5).double()
    assert calibration_error(right, labels) == 0
    assert calibration_error(right.roll(1, 1), labels) == 1
    votes = torch.stack([right, right, right.roll(1, 1)])
    assert compare(votes, labels)["top_1"] == 0
    thirds = torch.stack([torch.where((torch.arange(100) % 3 == wrong)[:, None], 0.2, right) for wrong in range(3)])
    assert compare(thirds, labels)["low"] > 0


def test_the_graphs_are_small_and_made_again_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes((FOLDER / WEIGHTS).read_bytes())
    export_members(tmp_path / WEIGHTS)
    for member in MEMBERS:
        graph = (FOLDER / f"{member}.onnx").read_bytes()
        assert (tmp_path / f"{member}.onnx").read_bytes() == graph
        assert len(graph) < 300_000
