"""What judges a model's answers: the right inputs with the right truths. Runs where there is no torch."""

import csv
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from models.cases import Cases, spread
from models.handwriting import cases as handwriting
from models.ner import cases as ner
from models.readability import cases as readability
from models.resnet18 import cases as resnet18
from tests.conftest import encode

RED, GREEN, BLUE = (encode(Image.new("RGB", (8, 8), colour), "JPEG") for colour in ("red", "green", "blue"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data of every model, in a folder each, as small as can be."""
    for folder, names in {"dev/ants": "ab", "dev/bees": "c", "train/ants": "a", "train/bees": "b"}.items():
        (tmp_path / "resnet18" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "resnet18" / folder / f"{name}.jpg").write_bytes({"a": RED, "b": GREEN, "c": BLUE}[name])
    write_sentences(tmp_path / "ner/wikigold_dev.txt", "Ada/B-PER Byron/I-PER sang/O ./O", "Oslo/B-LOC ,/O Rome/B-LOC")
    write_excerpts(tmp_path / "readability/train.csv", {"A long afternoon.": -1.5, "A cat.": 0.5, "A dog.": 1.5})
    write_excerpts(tmp_path / "readability/dev.csv", {"A cow.": 1.0, "Ineluctable.": -2.0})
    (tmp_path / "handwriting").mkdir()
    (tmp_path / "handwriting/labels.csv").write_text("index,dir\n0,u4e01\n1,u4e09\n")
    with zipfile.ZipFile(tmp_path / "handwriting/dev.zip", "w") as archive:
        for name, content in {"u4e09/2.jpg": GREEN, "u4e09/1.jpg": RED, "u4e01/3.jpg": BLUE}.items():
            archive.writestr(name, content)
    return tmp_path


def write_sentences(path: Path, *sentences: str) -> None:
    """Sentences as "Ada/B-PER sang/O", in the two columns of a corpus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = ("\n".join(pair.replace("/", "\t") for pair in sentence.split()) for sentence in sentences)
    path.write_text("\n\n".join(blocks) + "\n")


def write_excerpts(path: Path, targets: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("excerpt", "target"), *targets.items()])


def entity(kind: str, start: int, end: int) -> dict[str, object]:
    return {"entity_group": kind, "word": "", "score": 1.0, "start": start, "end": end}


def test_a_photo_is_judged_by_its_likeliest_label(data: Path) -> None:
    cases = resnet18.read_cases(data / "resnet18", "dev")
    assert cases.inputs == [RED, GREEN, BLUE]
    assert (cases.metric, cases.higher_is_better, cases.content_type) == ("accuracy", True, "image/jpeg")
    ant, bee = {"ant": 0.9, "bee": 0.1}, {"bee": 0.6, "ant": 0.4}
    assert cases.score([ant, ant, bee]) == 1
    assert cases.score([bee, ant, ant]) == pytest.approx(1 / 3)


def test_names_are_judged_by_their_type_and_both_ends(data: Path) -> None:
    cases = ner.read_cases(data / "ner", "dev")
    assert cases.inputs == [b"Ada Byron sang.", b"Oslo, Rome"]
    assert (cases.metric, cases.higher_is_better) == ("f1", True)
    ada, oslo, rome = entity("PER", 0, 9), entity("LOC", 0, 4), entity("LOC", 6, 10)
    assert cases.score([[ada], [oslo, rome]]) == 1
    assert cases.score([[entity("PER", 0, 3)], [oslo, rome]]) == pytest.approx(2 / 3)
    assert cases.score([[entity("ORG", 0, 9)], []]) == 0


def test_a_text_is_judged_by_how_far_its_score_is_from_peoples(data: Path) -> None:
    cases = readability.read_cases(data / "readability", "dev")
    assert cases.inputs == [b"A cow.", b"Ineluctable."]
    assert (cases.metric, cases.higher_is_better) == ("rmse", False)
    assert cases.score([{"score": 1.0}, {"score": -2.0}]) == 0
    assert cases.score([{"score": 4.0}, {"score": 2.0}]) == pytest.approx((25 / 2) ** 0.5)


def test_a_character_is_judged_by_the_ensembles_answer(data: Path) -> None:
    cases = handwriting.read_cases(data / "handwriting", "dev")
    assert cases.inputs == [BLUE, RED, GREEN]  # by name
    assert (cases.metric, cases.higher_is_better) == ("top_1", True)
    assert cases.score([{"answer": "丁"}, {"answer": "三"}, {"answer": "isnull"}]) == pytest.approx(2 / 3)


def test_an_answer_that_is_missing_is_no_better_score(data: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        resnet18.read_cases(data / "resnet18", "dev").score([{"ant": 1.0}])
    with pytest.raises(ValueError, match="zip"):
        readability.read_cases(data / "readability", "dev").score([{"score": 1.0}])


def test_a_part_that_is_none_is_named_with_those_that_are(data: Path) -> None:
    for part in ("train", "test"):
        with pytest.raises(ValueError, match=f"no part '{part}' of the data; there is dev"):
            handwriting.read_cases(data / "handwriting", part)
    with pytest.raises(ValueError, match="train, dev"):
        readability.read_cases(data / "readability", "test")
    for read_cases in (resnet18.read_cases, ner.read_cases):
        with pytest.raises(ValueError, match="train, dev, test"):
            read_cases(data, "validation")


def test_fewer_cases_are_spread_over_all_of_them_and_judged_alone(data: Path) -> None:
    assert spread("abcdefgh", 4) == ["a", "c", "e", "g"]
    assert spread("abc", 5) == spread("abc", None) == ["a", "b", "c"]
    assert spread("", 3) == []
    with pytest.raises(ValueError, match="At least 1"):
        spread("abc", 0)
    few: dict[str, Cases] = {
        "resnet18": resnet18.read_cases(data / "resnet18", "dev", 2),
        "ner": ner.read_cases(data / "ner", "dev", 1),
        "readability": readability.read_cases(data / "readability", "train", 2),
        "handwriting": handwriting.read_cases(data / "handwriting", "dev", 2),
    }
    assert {name: len(cases.inputs) for name, cases in few.items()} == {
        "resnet18": 2,
        "ner": 1,
        "readability": 2,
        "handwriting": 2,
    }
    assert few["resnet18"].score([{"ant": 1.0}] * 2) == 1
    assert few["ner"].score([[entity("PER", 0, 9)]]) == 1
    assert few["readability"].score([{"score": -1.5}, {"score": 0.5}]) == 0
    assert few["handwriting"].score([{"answer": "丁"}, {"answer": "三"}]) == 1
