"""Archives: the same byte for byte, complete, and checked before they are written."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from marina.archive import build_archive
from marina.errors import MarinaError
from marina.reading import read_served
from marina.verify import fingerprint, read_archive, read_provenance
from tests.conftest import ROOT
from tests.servers import marina
from tests.tiny import write_own_task, write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "colours")
    return tmp_path / "colours"


def change_config(model: Path, old: str, new: str) -> None:
    config = model / "model-config.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


def test_built_twice_it_is_the_same_byte_for_byte(model: Path, tmp_path: Path) -> None:
    first, _ = build_archive(model, tmp_path / "first")
    for path in model.rglob("*"):
        os.utime(path, (1, 1))
    second, _ = build_archive(model, tmp_path / "second")
    assert fingerprint(first) == fingerprint(second)


def test_shipped_models_are_built_by_the_command(tmp_path: Path) -> None:
    lines = subprocess.check_output(marina("archive", "--out", tmp_path), text=True)
    for config in (ROOT / "models").glob("*/model-config.yaml"):
        path = tmp_path / f"{config.parent.name}.mar"
        assert f"sha256 {fingerprint(path)}" in lines
        assert read_archive(path)


def test_it_holds_the_handlers_the_model_and_where_it_comes_from(model: Path, tmp_path: Path) -> None:
    path, answers = build_archive(model, tmp_path)
    contents = read_archive(path)
    assert {"handlers/base.py", "graph.onnx", "settings.json", "model-config.yaml"} <= set(contents)
    assert not any(name.startswith(("marina/", "tests/")) or "__pycache__" in name for name in contents)
    provenance = read_provenance(contents)
    assert provenance["variant"] == "float32"
    assert set(provenance["files"]) == set(contents) - {"provenance.json"}
    assert provenance["packages"]["torchserve"] == "0.12.0"
    manifest = json.loads(contents["MAR-INF/MANIFEST.json"])
    assert manifest["model"]["modelName"] == "colours"
    assert [name for name, _ in answers] == ["red.png"]
    assert next(iter(json.loads(answers[0][1]))) == "red"


def test_it_answers_without_the_checkout(tiny_archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tiny_archive) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys, pathlib; sys.path.insert(0, '.'); import marina_entry; from handlers.local import answer_all\n"
        "print(answer_all(marina_entry.handle, '.', [pathlib.Path('samples/red.png').read_bytes()]))"
    )
    answer = subprocess.check_output([sys.executable, "-I", "-c", code], cwd=tmp_path, text=True)
    assert answer.startswith("[(200,")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("batchSize: 4", "batchsize: 4"), "batchsize"),
        (("batchSize: 4\n", ""), "batchSize"),
        (("batchSize: 4", "batchSize: four"), "batchSize"),
        (("  size: 32", "  sise: 32"), "handler.sise"),
        (("  task: image_classification", "  task: divination"), "divination"),
        (("  task: image_classification", "  task: missing:Class"), "missing"),
        (("  title: Colours", "  titel: Colours"), "archive.titel"),
        (('  version: "1.0"', "  version: 1.0"), "archive.version"),
        (("handler:", "handlers:"), "handler"),
        (("  size: 32", "  size: [32"), "YAML"),
        (("  size: 32", "  size: 32\n  workers: 3"), "handler.workers"),
        (("  size: 32", "  size: 32\n  file: ../graph.onnx"), "../graph.onnx"),
    ],
)
def test_a_wrong_setting_is_named(model: Path, tmp_path: Path, change: tuple[str, str], named: str) -> None:
    change_config(model, *change)
    with pytest.raises(MarinaError) as caught:
        build_archive(model, tmp_path / "out")
    assert named in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_archive_that_does_not_work_is_not_written(model: Path, tmp_path: Path) -> None:
    (model / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(MarinaError, match=r"graph\.onnx"):
        build_archive(model, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_an_archive_that_fails_its_own_samples_is_not_written(model: Path, tmp_path: Path) -> None:
    (model / "samples" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(MarinaError, match=r"broken\.png with 400"):
        build_archive(model, tmp_path / "out")


def test_labels_that_do_not_fit_the_model_are_refused(model: Path, tmp_path: Path) -> None:
    change_config(model, "[red, green, blue]", "[red, green]")
    with pytest.raises(MarinaError, match="labels"):
        build_archive(model, tmp_path / "out")


@pytest.mark.parametrize("labels", ["[yes, no, maybe]", "[1, 2, 3]"])
def test_labels_that_yaml_takes_for_something_else_are_refused(model: Path, tmp_path: Path, labels: str) -> None:
    change_config(model, "[red, green, blue]", labels)
    with pytest.raises(MarinaError, match="quotes"):
        build_archive(model, tmp_path / "out")


def test_more_workers_than_the_most_are_refused(model: Path, tmp_path: Path) -> None:
    change_config(model, "minWorkers: 1", "minWorkers: 9")
    with pytest.raises(MarinaError, match="maxWorkers"):
        build_archive(model, tmp_path / "out")


def test_a_model_may_bring_its_own_handler(tmp_path: Path) -> None:
    write_own_task(tmp_path / "brightness")
    path, answers = build_archive(tmp_path / "brightness", tmp_path / "out")
    assert json.loads(answers[0][1]) == {"brightness": 0.353}
    assert read_served(path).entry()["input"] == "image"  # so that the page has a view for it


def test_two_models_may_bring_handlers_of_one_name(tmp_path: Path) -> None:
    for name, digits in (("first", 3), ("second", 1)):
        write_own_task(tmp_path / name)
        source = tmp_path / name / "brightness.py"
        source.write_text(source.read_text().replace(", 3)", f", {digits})"))
        _, answers = build_archive(tmp_path / name, tmp_path / "out")
        assert json.loads(answers[0][1]) == {"brightness": round(0.353, digits)}


def test_onnx_runtime_keeps_no_record_of_this_machine(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    build_archive(model, tmp_path / "out")
    assert not list((tmp_path / "home").rglob("*"))


def test_a_folder_with_a_strange_name_is_refused(model: Path, tmp_path: Path) -> None:
    shutil.move(model, tmp_path / "My Model")
    with pytest.raises(MarinaError, match="My Model"):
        build_archive(tmp_path / "My Model", tmp_path / "out")
