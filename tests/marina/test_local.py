"""Archives without a server: `marina.load` in Python, `marina run` over files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import marina
from marina.archive import build_archive
from marina.bodies import Body
from marina.errors import MarinaError
from marina.local import LocalModel
from tests.servers import marina as tool

CRASHES = (
    "import os\n"
    "from handlers.image_classification import ImageClassification\n\n\n"
    "class Fragile(ImageClassification):\n"
    "    def postprocess(self, output, request):\n"
    "        if request.mean() == 0:\n"
    "            os._exit(1)\n"
    "        return super().postprocess(output, request)\n"
)


@pytest.fixture
def photos(tiny_models: Path, tmp_path: Path) -> Path:
    """A folder of ten pictures in two folders, one broken file, one hidden one."""
    red = (tiny_models / "colours/samples/red.png").read_bytes()
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(10):
        place = folder if number % 2 else folder / "more"
        (place / f"{number}.png").write_bytes(red)
    (folder / "broken.png").write_bytes(red[:40])
    (folder / ".hidden.png").write_bytes(red)
    return folder


@pytest.fixture(scope="module")
def fragile(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose process ends over a black picture."""
    folder = tmp_path_factory.mktemp("models") / "fragile"
    shutil.copytree(tiny_models / "colours", folder)
    (folder / "fragile.py").write_text(CRASHES)
    config = folder / "model-config.yaml"
    config.write_text(config.read_text().replace("task: image_classification", "task: fragile:Fragile"))
    path, _ = build_archive(folder, tmp_path_factory.mktemp("store"))
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(tool("run", *arguments), capture_output=True, text=True, check=False)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_archive_answers_in_python(tiny_archive: Path, tiny_models: Path) -> None:
    sample = tiny_models / "colours/samples/red.png"
    with marina.load(tiny_archive) as model:
        assert next(iter(model(sample))) == "red"
        assert model(sample.read_bytes()) == model(sample)
        answers = model.answer([sample, b"no picture", Body(sample.read_bytes(), "text/plain")])
    assert [answer.status for answer in answers] == [200, 400, 415]
    assert answers[1].json()["type"] == "UndecodableImage"
    assert [answer.headers["X-Batch-Size"] for answer in answers] == ["3"] * 3
    with pytest.raises(MarinaError, match="closed"):
        model(sample)


def test_the_archive_leaves_the_notebook_as_it_was(tiny_archive: Path, tiny_models: Path) -> None:
    code = (
        "import logging, os, sys, marina\n"
        "before = dict(os.environ), logging.getLogger().level\n"
        f"model = marina.load({str(tiny_archive)!r})\n"
        f"model(open({str(tiny_models / 'colours/samples/red.png')!r}, 'rb').read())\n"
        "assert (dict(os.environ), logging.getLogger().level) == before\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "print(model.folder.name)\n"
    )
    folder = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert not Path(folder).exists()


def test_a_process_that_ends_over_an_input_costs_nobody_else_anything(fragile: Path, tiny_models: Path) -> None:
    from PIL import Image

    from tests.conftest import encode

    red = (tiny_models / "colours/samples/red.png").read_bytes()
    black = encode(Image.new("RGB", (40, 40)), "PNG")
    with LocalModel(fragile) as model:
        answers = model.answer([red, black, red, red, black])
        assert [answer.status for answer in answers] == [200, 500, 200, 200, 500]
        assert answers[1].json()["type"] == "WorkerDied"
        assert answers[0].json() == answers[3].json()


def test_an_archive_that_was_changed_is_not_loaded(tiny_archive: Path, tmp_path: Path) -> None:
    changed = tmp_path / "colours.mar"
    changed.write_bytes(tiny_archive.read_bytes().replace(b"Colours", b"Colourz"))
    with pytest.raises(MarinaError):
        marina.load(changed)


def test_files_and_folders_are_a_line_each(tiny_archive: Path, photos: Path) -> None:
    done = run(tiny_archive, photos, photos / "1.png")
    found = lines(done.stdout)
    assert done.returncode == 1  # one was not answered
    assert len(found) == 12
    assert [line["file"] for line in found[:11]] == sorted(str(path) for path in photos.rglob("[!.]*.png"))
    (broken,) = [line for line in found if line["status"] != 200]
    assert broken["file"] == str(photos / "broken.png")
    assert broken["error"]["code"] == 400
    assert all(next(iter(line["answer"])) == "red" for line in found if line["status"] == 200)


def test_with_more_workers_the_lines_are_the_same(tiny_archive: Path, photos: Path) -> None:
    assert run(tiny_archive, photos, "--workers", 3).stdout == run(tiny_archive, photos).stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_line_with_its_error(tiny_archive: Path, photos: Path) -> None:
    (photos / "1.png").chmod(0)
    (unreadable,) = [line for line in lines(run(tiny_archive, photos).stdout) if "UnreadableFile" in str(line)]
    assert unreadable["file"] == str(photos / "1.png")


def test_a_run_goes_on_where_it_was_cut_off(tiny_archive: Path, photos: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    run(tiny_archive, photos, "--out", whole)
    text = whole.read_text()
    cut.write_text(text[: len(text) // 2])  # in the middle of a line
    done = run(tiny_archive, photos, "--out", cut, "--resume")
    assert cut.read_text() == text
    assert f"{text[: len(text) // 2].count(chr(10))} left out" in done.stdout
    again = run(tiny_archive, photos, "--out", cut)
    assert again.returncode == 1
    assert "--resume" in again.stderr
    assert cut.read_text() == text


def test_what_is_not_there_is_named(tiny_archive: Path, tmp_path: Path) -> None:
    done = run(tiny_archive, tmp_path / "nothing.png")
    assert done.returncode == 1
    assert "nothing.png" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_runs_on_after_it(tiny_archive: Path, tiny_models: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    model = LocalModel(tiny_archive)
    assert model(tiny_models / "colours/samples/red.png")
    model.close()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
