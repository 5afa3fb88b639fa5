"""The readability model: what is shipped fits together, and how it was made, or fine-tuned, still runs."""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from handlers.runtime import load_model as load_runtime
from marina.model_config import read_model_config
from models.checkpoints import write_graph
from models.readability.batches import group_by_length
from models.readability.checkpoint import read_regression
from models.readability.data import Excerpts, read_splits, split_stratified
from models.readability.export import ParityError, batch_texts, check_parity
from models.readability.figures import load_tokenizer
from models.readability.finetuning import FineTuning, Settings
from models.readability.model import build_model, load_model
from models.readability.pieces import learn_pieces
from models.readability.recipe import Recipe
from models.readability.ridge import Ridge
from models.readability.surface import NAMES, Frequencies, count_syllables, measure_surface, split_sentences
from models.readability.train import main
from models.readability.train import train as run_training
from tests.conftest import ROOT

FOLDER = ROOT / "models/readability"
GRAPH, WEIGHTS = FOLDER / "graph.onnx", FOLDER / "weights.safetensors"
SAMPLES = {path.name: path.read_text() for path in sorted((FOLDER / "samples").glob("*.txt"))}
EASY = "The dog ran to the boy. The boy had a red ball. They sat in the sun."
HARD = "Jurisdictional considerations notwithstanding, the aforementioned provisions constitute binding obligations."
ROWS = [(f"{EASY} It was day {i}.", i / 10) for i in range(5)] + [(f"{HARD} See note {i}.", -i / 2) for i in range(5)]
TINY = ("--layers", "1", "--width", "32", "--pieces", "300")


def write_csv(rows: Sequence[tuple[str, float]] = ROWS) -> str:
    """The rows as CommonLit's train.csv has them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("id", "excerpt", "target", "standard_error"))
    writer.writerows((number, excerpt, target, 0.5) for number, (excerpt, target) in enumerate(rows))
    return text.getvalue()


def train(*options: object) -> subprocess.CompletedProcess[str]:
    """What the command prints."""
    command = [sys.executable, "-m", "models.readability.train", "--threads", "1", *(str(option) for option in options)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def run_graph(folder: Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    scores: np.ndarray = load_runtime(str(folder / "graph.onnx"), "onnxruntime", 1)(ids, mask)
    return scores


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tiny model trained from scratch on ten rows: its folder, and what the training printed."""
    folder = tmp_path_factory.mktemp("scratch")
    (folder / "train.csv").write_text(write_csv())
    result = train("--data", folder / "train.csv", "--out", folder / "out", "--epochs", 2, *TINY)
    assert result.returncode == 0, result.stderr
    return folder / "out", result.stdout


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with no head for a regression, as bert-base-cased is one."""
    folder = tmp_path_factory.mktemp("checkpoint")
    network = build_model(replace(Recipe(), layers=1, width=32), 300).base_model
    network.config.num_labels, network.config.problem_type = 2, None
    network.save_pretrained(folder)
    learn_pieces([text for text, _ in ROWS], 300, 512).save_pretrained(folder)
    return folder


def test_training_from_scratch_writes_all_that_serving_needs(scratch: tuple[Path, str]) -> None:
    folder, printed = scratch
    assert "epoch  training loss  validation loss    RMSE" in printed
    assert {path.name for path in folder.iterdir()} >= {"graph.onnx", "weights.safetensors", "tokenizer.json"}
    assert not list(folder.glob("*.pt"))
    assert Tokenizer.from_file(str(folder / "tokenizer.json")).encode("The dog").tokens[0] == "[CLS]"
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["train"]["excerpts"] == 9
    assert figures["dev"]["excerpts"] == 1
    assert run_graph(folder, np.array([[2, 7, 3]]), np.ones((1, 3), np.int64)).shape == (1,)


def test_fine_tuning_a_checkpoint_prints_the_table_and_keeps_the_best_epoch(checkpoint: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("train.csv", write_csv())
        archive.writestr("test.csv", "id,excerpt\n1,no target\n")
    # So high a rate that the epochs differ, and the last need not be the best.
    options = ("--learning-rate", 0.02, "--batch-size", 4, "--epochs", 4, "--out", tmp_path / "out")
    result = train("--data", tmp_path / "data.zip", "--from", checkpoint, *options)
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^ +(\d)  +([\d.]+)  +([\d.]+)  +([\d.]+)$", result.stdout, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    best = min(rows, key=lambda row: float(row[3]))
    assert f"Kept epoch {best[0]}, RMSE {best[3]}" in result.stdout

    dev = read_splits(tmp_path / "data.zip").dev
    network, tokenizer = load_model(tmp_path / "out/weights.safetensors"), load_tokenizer(tmp_path / "out")
    batch = batch_texts(tokenizer, dev.texts, 300)[-1]
    scores = run_graph(tmp_path / "out", *batch)
    assert float(np.sqrt(np.mean((scores - dev.targets) ** 2))) == pytest.approx(float(best[3]), abs=0.01)
    assert check_parity(tmp_path / "out/graph.onnx", network, [batch]) < 1e-3
    assert "max_tokens: 300 " in (tmp_path / "out/model-config.yaml").read_text()


def test_a_regression_goes_on_from_the_scores_it_gives(scratch: tuple[Path, str]) -> None:
    excerpts = Excerpts([text for text, _ in ROWS], np.array([target for _, target in ROWS], np.float32))
    model, tokenizer = read_regression(scratch[0], excerpts)
    ids, mask = batch_texts(tokenizer, [EASY, HARD], 300)[-1]
    with torch.inference_mode():
        outputs = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits[:, 0].numpy()
    scores = excerpts.targets.mean() + excerpts.targets.std() * outputs
    np.testing.assert_allclose(scores, run_graph(scratch[0], ids, mask), atol=1e-3)


def test_a_checkpoint_without_safetensors_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        read_regression(tmp_path, Excerpts([EASY], np.zeros(1, np.float32)))


def test_a_training_that_stops_goes_on_as_if_it_had_not(checkpoint: Path, tmp_path: Path) -> None:
    excerpts = Excerpts([text for text, _ in ROWS], np.array([target for _, target in ROWS], np.float32))

    def run(resume: bool, epochs: int) -> dict[int, str]:
        """The rows of the epochs up to one of them."""
        training = FineTuning(Settings("", batch_size=4), *read_regression(checkpoint, excerpts), excerpts)
        rows = {}
        for _, row, _ in run_training(training, "", excerpts, tmp_path, resume):
            rows.update({row.number: str(row)} if row else {})
            if len(rows) == epochs:
                break
        return rows

    through = run(False, 3)
    begun = run(False, 1)
    assert begun | run(True, 2) == through


def test_a_graph_that_gives_other_scores_is_refused_and_removed(scratch: tuple[Path, str], tmp_path: Path) -> None:
    for name in ("graph.onnx", "weights.safetensors", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((scratch[0] / name).read_bytes())
    network = load_model(tmp_path / "weights.safetensors")
    batches = batch_texts(load_tokenizer(tmp_path), [EASY, HARD], 300)
    with torch.no_grad():
        network.network.classifier.bias.add_(0.25)
    with pytest.raises(ParityError, match=r"by up to 0\.25"):
        check_parity(tmp_path / "graph.onnx", network, batches)
    assert not (tmp_path / "graph.onnx").exists()


def test_data_without_excerpts_is_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.csv").write_text("text,score\nA text.,1\n")
    options = ["train", "--data", str(tmp_path / "other.csv"), "--out", str(tmp_path / "out"), "--threads", "1"]
    monkeypatch.setattr(sys, "argv", options)
    with pytest.raises(SystemExit, match="a CSV with the columns excerpt and target is needed"):
        main()


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=200), st.integers(0, 9))
def test_a_stratified_split_keeps_the_distribution_of_targets(values: list[float], seed: int) -> None:
    targets = np.array(values, np.float32)
    kept, apart = split_stratified(targets, 0.1, seed)
    assert sorted([*kept, *apart]) == list(range(len(targets)))
    assert len(apart) == max(1, round(len(targets) / 10))
    for threshold in targets:
        below = np.mean(targets <= threshold)
        assert abs(np.mean(targets[apart] <= threshold) - below) <= 1 / len(apart) + 1 / len(targets)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=60))
def test_batches_hold_every_text_once_and_no_more_tokens_than_said(lengths: list[int]) -> None:
    groups = group_by_length(lengths, 1000)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(max(lengths[index] for index in group) * len(group) <= 1000 for group in groups)


@given(st.text(max_size=200))
def test_any_text_has_finite_surface_values(text: str) -> None:
    values = measure_surface(text, Frequencies([EASY]))
    assert values.shape == (len(NAMES),)
    assert np.isfinite(values).all()


def test_sentences_end_at_full_stops_but_not_after_a_title() -> None:
    assert split_sentences('He met Mr. Bell. "Come in!" she said. Why?') == [
        "He met Mr. Bell.",
        '"Come in!" she said.',
        "Why?",
    ]


@pytest.mark.parametrize(("word", "syllables"), [("cat", 1), ("made", 1), ("table", 2), ("reader", 2), ("fly", 1)])
def test_syllables_are_groups_of_vowels(word: str, syllables: int) -> None:
    assert count_syllables(word) == syllables


def test_the_ridge_regression_tells_easy_from_hard() -> None:
    excerpts = Excerpts([text for text, _ in ROWS], np.array([1.0] * 5 + [-1.0] * 5, np.float32))
    easy, hard = Ridge(excerpts, Frequencies(excerpts.texts)).judge_all([EASY, HARD])
    assert easy > 0 > hard


def test_the_shipped_graph_gives_what_torch_gives_in_every_runtime() -> None:
    network = load_model(WEIGHTS)
    for ids, mask in batch_texts(load_tokenizer(FOLDER), list(SAMPLES.values()), 512):
        with torch.inference_mode():
            expected = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        for runtime in ("onnxruntime", "openvino"):
            np.testing.assert_allclose(load_runtime(str(GRAPH), runtime, 1)(ids, mask), expected, atol=1e-3)


def test_the_shipped_graph_is_small_and_made_again_byte_for_byte(tmp_path: Path) -> None:
    for name in ("weights.safetensors", "config.json"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    weights = tmp_path / "weights.safetensors"
    assert write_graph(weights, load_model(weights), "scores").read_bytes() == GRAPH.read_bytes()
    assert GRAPH.stat().st_size < 100_000


def test_the_shipped_graph_takes_any_batch_and_length_and_ignores_padding() -> None:
    generator = np.random.default_rng(0)
    ids = generator.integers(5, 8000, (7, 300))
    lengths = [3, 17, 60, 128, 200, 299, 300]
    mask = (np.arange(300) < np.array(lengths)[:, None]).astype(np.int64)
    together = run_graph(FOLDER, ids * mask, mask)
    for row, length in enumerate(lengths):
        alone = run_graph(FOLDER, ids[row : row + 1, :length], mask[row : row + 1, :length])
        np.testing.assert_allclose(alone, together[row : row + 1], atol=1e-4)


def test_the_card_holds_the_figures_as_they_were_measured() -> None:
    subprocess.run([sys.executable, "-m", "models.readability.card", "--check"], check=True, cwd=ROOT)
    figures = json.loads((FOLDER / "figures.json").read_text())
    assert figures["test"]["rmse"] <= 0.8


def test_the_shipped_samples_are_scored_as_the_figures_say() -> None:
    figures = json.loads((FOLDER / "figures.json").read_text())
    ids, mask = batch_texts(load_tokenizer(FOLDER), list(SAMPLES.values()), 512)[-1]
    scores = dict(zip(SAMPLES, run_graph(FOLDER, ids, mask).tolist(), strict=True))
    assert scores == pytest.approx(figures["samples"], abs=1e-3)


def test_short_texts_are_scored_sensibly() -> None:
    ids, mask = batch_texts(load_tokenizer(FOLDER), [EASY, HARD], 512)[-1]
    easy, hard = run_graph(FOLDER, ids, mask)
    assert easy > hard + 1


def test_the_configuration_is_one_that_archives_are_made_of() -> None:
    config = read_model_config(FOLDER)
    assert config.handler["task"] == "readability"
    assert set(config.archive.files) == {"weights.safetensors", "tokenizer.json"}
