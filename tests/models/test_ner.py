"""The model that finds names: what is shipped fits together, how it was made still runs, and others can be packed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from handlers.runtime import load_model as load_runtime
from marina.archive import build_archive
from models.checkpoints import WEIGHTS, transformers
from models.iob2 import Score, Sentence, Span, read_sentences, read_spans, score_spans
from models.ner.data import IGNORED, Windows
from models.ner.decoding import find_entities
from models.ner.export import export_tagger, pack_checkpoint
from models.ner.model import LABELS, MAX_TOKENS, TYPES, load_model
from models.ner.names import compose_sentence
from models.ner.pieces import Pieces
from models.ner.recipe import Recipe
from models.ner.text import write_text
from models.ner.variation import name_places
from models.ner.vocabulary import learn_vocabulary, wrap
from tests.conftest import ROOT

FOLDER = ROOT / "models/ner"
SENTENCES = (
    "Ada/B-PER Byron/I-PER lived/O in/O London/B-LOC ./O",
    "The/O Hague/B-LOC is/O a/O Dutch/B-MISC city/O ./O",
    "Unicef/B-ORG thanked/O her/O ./O",
    "It/O rained/O in/O Oslo/B-LOC ,/O Rome/B-LOC and/O Bonn/B-LOC ./O",
    "Nothing/O happened/O ./O",
)


def sentence(marked: str) -> Sentence:
    """ "Ada/B-PER sang/O" as a sentence."""
    words, tags = zip(*(word.rsplit("/", 1) for word in marked.split()), strict=True)
    return Sentence(words, tags)


def found(text: str) -> list[tuple[str, str]]:
    """The types and names that the shipped model finds in a text."""
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    (entities,) = find_entities(load_model(FOLDER / WEIGHTS), tokenizer, [text])
    return [(entity["entity_group"], entity["word"]) for entity in entities]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-PER I-PER O B-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("B-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
        ("I-PER I-PER O", []),  # strict: nothing begins it
        ("B-PER I-LOC I-PER", [("PER", 0, 1)]),
        ("O B-ORG", [("ORG", 1, 2)]),
        ("B-MISC I-MISC", [("MISC", 0, 2)]),
    ],
)
def test_spans_are_read_strictly(tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert list(read_spans(tags.split())) == spans


def test_a_name_is_right_only_with_its_type_and_both_ends() -> None:
    true = [[Span("PER", 0, 2), Span("LOC", 4, 5)], [Span("ORG", 0, 1)], []]
    answers = [[Span("PER", 0, 2), Span("LOC", 4, 6)], [Span("LOC", 0, 1)], [Span("PER", 1, 2)]]
    scores = score_spans(true, answers)
    assert scores["all"] == Score(1 / 4, 1 / 3, 2 / 7, 3)
    assert scores["PER"] == Score(1 / 2, 1, 2 / 3, 1)
    assert scores["LOC"] == Score(0, 0, 0, 1)
    assert scores["ORG"] == Score(0, 0, 0, 1)


def test_sentences_are_read_from_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("Ada\tB-PER\nsang\tO\n\nOslo\tB-LOC\n")
    assert read_sentences(path) == [sentence("Ada/B-PER sang/O"), sentence("Oslo/B-LOC")]


def test_words_become_a_text_as_people_write_it() -> None:
    words = ['"', "No", ",", '"', "said", "Ada", "'s", "aunt", "(", "she", "did", "n't", "sing", ")", "."]
    text, places = write_text(words)
    assert text == "\"No,\" said Ada's aunt (she didn't sing)."
    assert [text[start:end] for start, end in places] == words


def test_a_word_cut_into_smaller_pieces_is_still_the_word() -> None:
    pieces = Pieces(Tokenizer.from_file(str(FOLDER / "tokenizer.json")))
    names = {index: name for name, index in pieces.vocabulary.items()}
    generator = np.random.default_rng(0)
    (whole,) = pieces.of_word("Washington")
    for _ in range(10):
        (cut,) = pieces.of_word("Washington", generator)
        assert len(cut) >= len(whole)
        assert "".join(names[index].removeprefix("##") for index in cut) == "Washington"
    assert len(pieces.of_word("U.S.")) == 4


def test_windows_hold_whole_labels_for_each_piece() -> None:
    pieces = Pieces(Tokenizer.from_file(str(FOLDER / "tokenizer.json")))
    recipe = Recipe()
    windows = Windows({name: [*map(sentence, SENTENCES)] for name in recipe.shares}, pieces, recipe)
    generator = np.random.default_rng(0)
    lengths = set()
    for _ in range(100):
        window = windows.draw_window(0.5, generator)
        assert len(window.pieces) == len(window.labels) <= MAX_TOKENS
        assert (window.pieces[0], window.pieces[-1]) == (pieces.start, pieces.end)
        assert window.labels[0] == window.labels[-1] == IGNORED
        assert set(window.labels[1:-1]) <= set(range(len(LABELS)))
        lengths.add(len(window.pieces))
    assert min(lengths) < 12
    assert max(lengths) > 200


def test_an_organisation_that_is_a_country_is_a_place() -> None:
    assert name_places(sentence("Iran/B-ORG asked/O Unicef/B-ORG")) == sentence("Iran/B-LOC asked/O Unicef/B-ORG")


def test_composed_sentences_have_a_tag_for_each_word() -> None:
    generator = np.random.default_rng(0)
    kinds = set()
    for _ in range(300):
        composed = compose_sentence(generator)
        assert len(composed.words) == len(composed.tags)
        kinds |= {span.type for span in read_spans(composed.tags)}
    assert kinds == set(TYPES)


def test_one_weights_file_gives_one_answer_in_torch_and_in_onnx() -> None:
    network, runtime = load_model(FOLDER / WEIGHTS), load_runtime(str(FOLDER / "graph.onnx"), "onnxruntime", 2)
    for shape in ((1, 3), (7, 200), (2, 256)):
        ids = torch.randint(5, 5000, shape, generator=torch.Generator().manual_seed(0))
        mask = torch.ones_like(ids)
        mask[-1, shape[1] - shape[1] // 3 :] = 0
        with torch.inference_mode():
            expected = network(ids, mask).numpy()
        answer = runtime(ids.numpy(), mask.numpy())
        np.testing.assert_allclose(answer * mask.numpy()[..., None], expected * mask.numpy()[..., None], atol=1e-3)


def test_padding_changes_nothing() -> None:
    runtime = load_runtime(str(FOLDER / "graph.onnx"), "onnxruntime", 2)
    ids = np.random.default_rng(0).integers(5, 5000, (1, 20))
    padded = np.zeros((4, 90), np.int64)
    padded[:, :20] = ids
    mask = (np.arange(90) < 20).astype(np.int64)[None].repeat(4, 0)
    alone = runtime(ids, np.ones_like(ids))
    np.testing.assert_allclose(runtime(padded, mask)[2, :20], alone[0], atol=1e-4)


def test_the_graph_is_small_and_made_again_byte_for_byte(tmp_path: Path) -> None:
    for name in ("weights.safetensors", "config.json"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    assert export_tagger(tmp_path).read_bytes() == (FOLDER / "graph.onnx").read_bytes()
    assert (FOLDER / "graph.onnx").stat().st_size < 300_000


def test_the_shipped_model_finds_names() -> None:
    assert found("George Washington was president of the United States.") == [
        ("PER", "George Washington"),
        ("LOC", "United States"),
    ]
    assert ("LOC", "Berlin") in found("My name is Wolfgang and I live in Berlin")
    assert found("It rained all day.") == []


def test_the_archive_answers_its_samples(tmp_path: Path) -> None:
    _, answers = build_archive(FOLDER, tmp_path)
    figures = json.loads((FOLDER / "figures.json").read_text())["samples"]
    for name, answer in answers:
        names = [[entity["entity_group"], entity["word"]] for entity in json.loads(answer)]
        assert names == [entry[:2] for entry in figures[name]], name


def test_the_card_holds_the_figures_as_they_were_measured() -> None:
    subprocess.run([sys.executable, "-m", "models.ner.card", "--check"], check=True)
    figures = json.loads((FOLDER / "figures.json").read_text())
    assert figures["corpora"]["wikigold_test"]["all"]["f1"] > 0.5


def test_training_runs_from_sentences_to_weights(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    lines = ["\n".join(pair.replace("/", "\t") for pair in marked.split()) + "\n" for marked in SENTENCES * 2]
    for name in ("gmb_train", "wikigold_train", "crossner_politics_train"):
        (data / f"{name}.txt").write_text("\n".join(lines))
    for name in ("wikigold_dev", "wikigold_test", "gmb_dev", "gmb_test"):
        (data / f"{name}.txt").write_text("\n".join(lines[:5]))
    options = ["--epochs", "1", "--steps", "3", "--pieces", "120", "--layers", "1", "--width", "32", "--threads", "1"]
    command = [sys.executable, "-m", "models.ner.train", "--data", data, *options, "--out", out]
    printed = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    assert "dev F1" in printed
    runtime = load_runtime(str(out / "graph.onnx"), "onnxruntime", 1)
    ids = np.full((1, 3), 7)
    assert runtime(ids, np.ones_like(ids)).shape == (1, 3, 9)
    assert json.loads((out / "figures.json").read_text())["corpora"]["wikigold_test"]["all"]["support"] == 8


@pytest.mark.parametrize("kind", ["DistilBert", "Bert", "Roberta"])
def test_a_checkpoint_of_hugging_face_is_packed(kind: str, tmp_path: Path) -> None:
    tokenizer = wrap(learn_vocabulary(map(sentence, SENTENCES), 120), 64)
    sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 1, "n_heads": 2}
    if kind != "DistilBert":
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    labels = dict(enumerate(("B-X", "I-X", "O")))
    settings = {"vocab_size": 120, "max_position_embeddings": 66, "pad_token_id": 0, "id2label": labels}
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**sizes, **settings)
    model = getattr(transformers, f"{kind}ForTokenClassification")(config).eval()
    model.save_pretrained(tmp_path / "checkpoint")
    tokenizer(["a text"], padding="max_length", max_length=8, truncation=True)  # which the file must not keep
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    graph = pack_checkpoint(str(tmp_path / "checkpoint"), tmp_path / "packed")

    written = json.loads((tmp_path / "packed/tokenizer.json").read_text())
    assert written["truncation"] is None
    assert written["padding"] is None
    assert 'labels: ["B-X", "I-X", "O"]' in (tmp_path / "packed/model-config.yaml").read_text()
    ids = torch.tensor([[2, 7, 8, 9, 3, 0], [2, 9, 8, 7, 6, 3]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits.numpy()
    answer = load_runtime(str(graph), "onnxruntime", 1)(ids.numpy(), mask.numpy())
    np.testing.assert_allclose(answer[:, :5], expected[:, :5], atol=1e-3)
    _, answers = build_archive(tmp_path / "packed", tmp_path)
    assert answers == []


def test_a_checkpoint_with_other_labels_is_refused(tmp_path: Path) -> None:
    config = transformers.DistilBertConfig(vocab_size=120, dim=32, hidden_dim=64, n_layers=1, n_heads=2)
    transformers.DistilBertForTokenClassification(config).save_pretrained(tmp_path)
    wrap(learn_vocabulary(map(sentence, SENTENCES), 120), 64).save_pretrained(tmp_path)
    command = [sys.executable, "-m", "models.ner.export", "--from", tmp_path, "--out", tmp_path / "packed"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert result.returncode == 1
    assert "LABEL_0" in result.stderr
