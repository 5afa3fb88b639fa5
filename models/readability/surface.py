"""What readability formulas see of a text: the lengths of its sentences and words, and how common its words are."""

import math
import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

WORD = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)*")
# A sentence ends with one of .!? and what closes quotes, before white space and no small letter.
SENTENCE_END = re.compile(r"(?<=[.!?])([\"\u201d\u2019')\]]*)\s+(?=[^a-z\s])")
ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Gen|Col|Capt|No|vs|etc|[A-Z])\.)$")
VOWELS = re.compile(r"[aeiouy]+")
LONG_WORD = 7  # letters, as in the LIX formula (Björnsson, 1968)
PERSONAL = re.compile("i|you|he|she|we|they|me|him|her|us|them|my|your|his|our|their|mine|yours|(my|him|her)self")
NAMES = (
    "log words a sentence",
    "log words of the longest sentence",
    "letters a word",
    "spread of letters a word",
    "syllables a word",
    "share of long words",
    "share of words of three syllables",
    "Flesch reading ease",
    "different words by the root of words",
    "mean log frequency",
    "spread of log frequency",
    "log frequency of the rarest fifth",
    "commas a word",
    "colons and semicolons a word",
    "quotation marks a word",
    "questions and exclamations a sentence",
    "digits a character",
    "capitals a word",
    "personal pronouns a word",
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, as far as full stops and capitals tell them apart."""
    sentences: list[str] = []
    for part in SENTENCE_END.sub(r"\1\n", text).split("\n"):
        if sentences and ABBREVIATION.search(sentences[-1]):
            sentences[-1] += " " + part.strip()
        elif part.strip():
            sentences.append(part.strip())
    return sentences


def count_syllables(word: str) -> int:
    """The groups of vowels of a word in small letters, a silent e at its end not counted."""
    groups = len(VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith("le") and groups > 1
    return max(1, groups - silent)


class Frequencies:
    """How often words occur in some texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.counts = Counter(word.lower() for text in texts for word in WORD.findall(text))
        self.total = sum(self.counts.values()) + len(self.counts)

    def log(self, word: str) -> float:
        """The natural logarithm of a word's share, by add-one smoothing."""
        return math.log((self.counts[word] + 1) / self.total)


def measure_surface(text: str, frequencies: Frequencies) -> np.ndarray:
    """The values of ``NAMES``, float32 (19,); zeros for a text without words."""
    words = [word.lower() for word in WORD.findall(text)]
    if not words:
        return np.zeros(len(NAMES), np.float32)
    sentences = [max(1, len(WORD.findall(sentence))) for sentence in split_sentences(text)]
    letters = np.array([len(word) for word in words])
    syllables = np.array([count_syllables(word) for word in words])
    logs = np.sort([frequencies.log(word) for word in words])
    count, mean_sentence = len(words), len(words) / len(sentences)
    values = [
        math.log(mean_sentence),
        math.log(max(sentences)),
        letters.mean(),
        letters.std(),
        syllables.mean(),
        (letters >= LONG_WORD).mean(),
        (syllables >= 3).mean(),
        206.835 - 1.015 * mean_sentence - 84.6 * syllables.mean(),  # Flesch, 1948
        len(set(words)) / math.sqrt(2 * count),  # Carroll, 1964: not biased by length as types by tokens are
        logs.mean(),
        logs.std(),
        logs[: math.ceil(count / 5)].mean(),
        text.count(",") / count,
        sum(text.count(sign) for sign in ";:") / count,
        sum(text.count(sign) for sign in '"“”') / count,
        sum(text.count(sign) for sign in "?!") / len(sentences),
        sum(character.isdigit() for character in text) / len(text),
        sum(character.isupper() for character in text) / count,
        sum(PERSONAL.fullmatch(word) is not None for word in words) / count,
    ]
    return np.array(values, np.float32)
