"""A model's folder as people have it: links, weights beside the graph, samples from a camera, a system's own files."""

import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from marina.archive import build_archive
from marina.errors import MarinaError
from marina.verify import read_archive
from tests.marina.test_graphs import float_network
from tests.servers import marina
from tests.tiny import mean_colour, write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "colours")
    return tmp_path / "colours"


def save_apart(model: onnx.ModelProto, path: Path, data: str) -> None:
    """Saves a graph with all of its weights in another file."""
    onnx.save(model, path, save_as_external_data=True, location=data, size_threshold=0, convert_attribute=True)


def adapt(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(marina("adapt", *arguments), capture_output=True, text=True)


@pytest.mark.parametrize("data", ["graph.onnx.data", "graph.onnx_data", "weights.bin", "weights"])
def test_weights_beside_the_graph_simply_work(model: Path, tmp_path: Path, data: str) -> None:
    plain, answers = build_archive(model, tmp_path / "plain")
    (model / "graph.onnx").unlink()
    save_apart(mean_colour(), model / "graph.onnx", data)
    path, same = build_archive(model, tmp_path / "out")
    assert same == answers
    assert set(read_archive(path)) == set(read_archive(plain))


def test_weights_that_are_missing_are_named(model: Path, tmp_path: Path) -> None:
    (model / "graph.onnx").unlink()
    save_apart(mean_colour(), model / "graph.onnx", "graph.onnx.data")
    (model / "graph.onnx.data").unlink()
    done = subprocess.run(
        marina("archive", "colours", "--models", tmp_path, "--out", tmp_path / "out"), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("marina: ")
    assert "graph.onnx keeps weights in graph.onnx.data, which is not in" in done.stderr
    assert done.stderr.count("\n") == 1


def test_weights_outside_the_folder_are_refused(model: Path, tmp_path: Path) -> None:
    graph = mean_colour()
    tensor = graph.graph.initializer[1]
    (tmp_path / "outside").write_bytes(np.float32(0.1).tobytes())
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../outside")
    (model / "graph.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(MarinaError, match=r"'\.\./outside', which leads out of its folder"):
        build_archive(model, tmp_path / "out")


@pytest.mark.parametrize("has_data", [False, True])
def test_a_graph_may_be_a_link(model: Path, tmp_path: Path, has_data: bool) -> None:
    _, answers = build_archive(model, tmp_path / "plain")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (model / "graph.onnx").unlink()
    if has_data:
        save_apart(mean_colour(), elsewhere / "network.onnx", "network.onnx.data")
    else:
        onnx.save(mean_colour(), elsewhere / "network.onnx")
    (model / "graph.onnx").symlink_to(elsewhere / "network.onnx")
    _, same = build_archive(model, tmp_path / "out")
    assert same == answers


def test_adapting_makes_the_folder(tmp_path: Path) -> None:
    onnx.save(float_network(), tmp_path / "net.onnx")
    done = adapt(tmp_path / "net.onnx", tmp_path / "new" / "folder" / "graph.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert onnx.load(tmp_path / "new" / "folder" / "graph.onnx").graph.input[0].name == "images"


def test_adapting_takes_weights_from_another_file(tmp_path: Path) -> None:
    save_apart(float_network(), tmp_path / "net.onnx", "net.onnx.data")
    assert adapt(tmp_path / "net.onnx", tmp_path / "graph.onnx").returncode == 0
    adapted = onnx.load(tmp_path / "graph.onnx", load_external_data=False)
    assert any(np.array_equal(numpy_helper.to_array(each), [2, 3]) for each in adapted.graph.initializer)


@pytest.mark.parametrize("what", ["no data", "no source", "no graph", "a folder", "no room"])
def test_adapting_ends_in_a_sentence(tmp_path: Path, what: str) -> None:
    save_apart(float_network(), tmp_path / "net.onnx", "net.onnx.data")
    source, target = tmp_path / "net.onnx", tmp_path / "graph.onnx"
    if what == "no data":
        (tmp_path / "net.onnx.data").unlink()
    elif what == "no source":
        source.unlink()
    elif what == "no graph":
        source.write_bytes(b"no graph")
    elif what == "a folder":
        target.mkdir()
    else:
        (tmp_path / "file").touch()
        target = tmp_path / "file" / "graph.onnx"
    done = adapt(source, target)
    assert done.returncode == 1
    assert done.stderr.startswith(f"marina: {tmp_path}")
    assert done.stderr.count("\n") == 1


def test_samples_of_a_camera_and_files_of_a_system(model: Path, tmp_path: Path) -> None:
    samples = model / "samples"
    shutil.move(samples / "red.png", samples / "IMG_0001.PNG")
    for name in (".DS_Store", "._IMG_0001.PNG", "Thumbs.db", "desktop.ini", "ehthumbs.db"):
        (samples / name).write_bytes(b"\0\1\2")
    (samples / unicodedata.normalize("NFD", "Café.png")).write_bytes((samples / "IMG_0001.PNG").read_bytes())
    path, answers = build_archive(model, tmp_path / "out")
    assert [name for name in read_archive(path) if name.startswith("samples/")] == [
        "samples/Café.png",
        "samples/IMG_0001.PNG",
    ]
    assert len(answers) == 2


def test_a_sample_that_no_archive_can_hold_is_named(model: Path, tmp_path: Path) -> None:
    (model / "samples" / "a:b.png").write_bytes((model / "samples" / "red.png").read_bytes())
    with pytest.raises(MarinaError, match=r"colours can't be packed: 'samples/a:b\.png'"):
        build_archive(model, tmp_path / "out")


# `marina run`


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(marina("run", *arguments), capture_output=True, env=os.environ | environment)


@pytest.mark.parametrize("what", ["missing", "empty", "hidden", "folders"])
def test_running_on_nothing_is_told(tiny_archive: Path, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "photos"
    if what != "missing":
        folder.mkdir()
    if what == "hidden":
        (folder / ".DS_Store").touch()
        (folder / "Thumbs.db").touch()
    if what == "folders":
        (folder / "a" / "b").mkdir(parents=True)
    done = run(tiny_archive, folder)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode() == f"marina: there is no file {'' if what == 'missing' else 'in '}{folder}\n"


def test_links_that_lead_nowhere_are_lines(tiny_archive: Path, tiny_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "nowhere.png").symlink_to(folder / "nothing")
    for paths in ([folder], [folder / "loop.png", folder / "nowhere.png"]):
        done = run(tiny_archive, *paths)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 1
        assert [line["file"] for line in lines] == [str(folder / "loop.png"), str(folder / "nowhere.png")]
        assert [line["error"]["type"] for line in lines] == ["UnreadableFile"] * 2
    (folder / "red.png").symlink_to(tiny_models / "colours/samples/red.png")
    assert run(tiny_archive, folder).stdout.count(b'"status": 200') == 1


def test_a_name_that_is_not_utf8_is_a_line(tiny_archive: Path, tiny_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    red = (tiny_models / "colours/samples/red.png").read_bytes()
    for name in (b"a-\xff\xfe.png", "b-é山.png".encode(), b"c.png"):
        (folder / os.fsdecode(name)).write_bytes(red)
    plain, out = run(tiny_archive, folder), tmp_path / "lines.jsonl"
    lines = [json.loads(line) for line in plain.stdout.splitlines()]
    assert plain.returncode == 0, plain.stderr
    assert [line["file"] for line in lines] == sorted(str(path) for path in folder.iterdir())
    assert "b-é山.png" in plain.stdout.decode()
    assert run(tiny_archive, folder, PYTHONIOENCODING="ascii").stdout == plain.stdout
    assert run(tiny_archive, folder, "--out", out, PYTHONIOENCODING="ascii").returncode == 0
    assert out.read_bytes() == plain.stdout
    out.write_bytes(b"".join(plain.stdout.splitlines(keepends=True)[:1]))
    resumed = run(tiny_archive, folder, "--out", out, "--resume", PYTHONIOENCODING="ascii")
    assert resumed.returncode == 0
    assert out.read_bytes() == plain.stdout
    assert b"1 left out" in resumed.stdout


def test_any_terminal_shows_what_was_built(model: Path, tmp_path: Path) -> None:
    config = model / "model-config.yaml"
    config.write_text(config.read_text().replace("[red, green, blue]", "[朱, vert, bleu]"))
    command = marina("archive", "colours", "--models", tmp_path, "--out", tmp_path / "out")
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u6731" in done.stdout
