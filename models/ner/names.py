"""Names, most of which nobody bears, and sentences with them: composed from the lists in ``names/``."""

import re
from functools import cache
from pathlib import Path

import numpy as np

from models.iob2 import Sentence
from models.ner.forms import FORMS, PARTS

NAMES = Path(__file__).parent / "names"

FILES = {
    "given": "given.txt",
    "family": "family.txt",
    "place": "places.txt",
    "people": "peoples.txt",
    "organisation": "organisations.txt",
}
# The type of the parts that stand in sentences.txt by themselves.
TYPES_OF_PARTS = {"given": "PER", "family": "PER", "place": "LOC", "state": "LOC", "people": "MISC", "team": "ORG"}


@cache
def read_list(part: str) -> tuple[str, ...]:
    """The entries of a list: separated by semicolons, or by white space where there are none."""
    if part in PARTS:
        return tuple(PARTS[part].split(";"))
    text = " ".join((NAMES / FILES[part]).read_text(encoding="utf-8").split())
    return tuple(entry.strip() for entry in (text.split(";") if ";" in text else text.split()))


def compose_name(kind: str, generator: np.random.Generator) -> tuple[str, ...]:
    """The words of a new name of one of the four types."""
    return fill(FORMS[kind][generator.integers(len(FORMS[kind]))], generator)


def fill(form: str, generator: np.random.Generator) -> tuple[str, ...]:
    """The words of a form whose parts are drawn from their lists."""
    while "{" in form:
        part = form[form.index("{") + 1 : form.index("}")]
        entries = read_list(part)
        form = form.replace(f"{{{part}}}", entries[generator.integers(len(entries))], 1)
    return tuple(form.split())


@cache
def read_forms() -> tuple[tuple[str, ...], ...]:
    """The forms of sentences, cut at their {parts}: text, part, text and so on."""
    lines = (NAMES / "sentences.txt").read_text(encoding="utf-8").splitlines()
    return tuple(tuple(re.split(r"\{(\w+)\}", line)) for line in lines)


def compose_sentence(generator: np.random.Generator) -> Sentence:
    """A plain sentence about new names, or one of the few without any."""
    forms = read_forms()
    words: list[str] = []
    tags: list[str] = []
    for index, part in enumerate(forms[generator.integers(len(forms))]):
        if index % 2 == 0:
            plain = re.findall(r"[\w'-]+|[^\w\s]", part)
            words += plain
            tags += ["O"] * len(plain)
            continue
        kind = TYPES_OF_PARTS.get(part, part)
        name = compose_name(part, generator) if part in FORMS else fill(f"{{{part}}}", generator)
        words += name
        tags += [f"B-{kind}", *[f"I-{kind}"] * (len(name) - 1)]
    return Sentence(tuple(words), tuple(tags))


def compose_list(generator: np.random.Generator) -> Sentence:
    """Two to eight new names, mostly of one type, as the lines of a list have them."""
    words: list[str] = []
    tags: list[str] = []
    kinds = list(FORMS)
    first = kinds[generator.integers(len(kinds))]
    for _ in range(generator.integers(2, 9)):
        kind = first if generator.random() < 0.8 else kinds[generator.integers(len(kinds))]
        name = compose_name(kind, generator)
        words += name
        tags += [f"B-{kind}", *[f"I-{kind}"] * (len(name) - 1)]
    return Sentence(tuple(words), tuple(tags))
