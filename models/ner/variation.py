"""A sentence told in another way: its names swapped for others, its letters changed, or only a part of it."""

from collections import defaultdict

import numpy as np

from models.iob2 import Sentence, read_spans
from models.ner.model import TYPES
from models.ner.names import compose_name, read_list
from models.ner.recipe import Recipe


class Variation:
    """Sentences with other names in them: those of the corpora, or such as nobody bears."""

    def __init__(self, corpora: dict[str, list[Sentence]], recipe: Recipe) -> None:
        self.recipe = recipe
        self.peoples = {tuple(name.split()) for name in read_list("people")}
        self.mentions = self.collect_mentions(corpora)

    def collect_mentions(self, corpora: dict[str, list[Sentence]]) -> dict[tuple[str, bool], list[tuple[str, ...]]]:
        """The different names of each type that the corpora hold; those of peoples apart, for they are adjectives."""
        found: dict[tuple[str, bool], set[tuple[str, ...]]] = defaultdict(set)
        for sentences in corpora.values():
            for sentence in sentences:
                for span in read_spans(sentence.tags):
                    words = sentence.words[span.start : span.end]
                    if words[0][0].isupper() and len(words) < 8:
                        found[span.type, words in self.peoples].add(words)
        return {key: sorted(mentions) for key, mentions in found.items()}

    def vary(self, sentence: Sentence, generator: np.random.Generator) -> tuple[list[str], list[str]]:
        """The sentence's words and tags, some names swapped for others and sometimes in other letters."""
        words, tags, end = [], [], 0
        for span in read_spans(sentence.tags):
            words += sentence.words[end : span.start]
            tags += sentence.tags[end : span.start]
            mention = sentence.words[span.start : span.end]
            if span.type in TYPES and generator.random() < self.recipe.replaced:
                mention = self.replace(span.type, mention, generator)
            words += mention
            tags += [f"B-{span.type}", *[f"I-{span.type}"] * (len(mention) - 1)]
            end = span.end
        words += sentence.words[end:]
        tags += sentence.tags[end:]
        if generator.random() < self.recipe.cased:
            change = (str.upper, str.lower, str.title)[generator.integers(3)]
            words = [change(word) for word in words]
        return words, tags

    def replace(self, kind: str, mention: tuple[str, ...], generator: np.random.Generator) -> tuple[str, ...]:
        """Another name of the type, from the corpora or from nowhere."""
        composed = generator.random() < self.recipe.composed
        if mention in self.peoples:
            return tuple(read_list("people")[generator.integers(len(read_list("people")))].split())
        mentions = self.mentions.get((kind, False))
        if composed or not mentions:
            return compose_name(kind, generator)
        return mentions[generator.integers(len(mentions))]


def name_places(sentence: Sentence) -> Sentence:
    """The sentence with LOC for ORG where a known place is meant: a country that acts is one by gold conventions."""
    tags = list(sentence.tags)
    for span in read_spans(sentence.tags):
        if span.type == "ORG" and " ".join(sentence.words[span.start : span.end]) in read_list("place"):
            tags[span.start : span.end] = ["B-LOC", *["I-LOC"] * (span.end - span.start - 1)]
    return Sentence(sentence.words, tuple(tags))


def join_contractions(sentence: Sentence) -> Sentence:
    """The sentence with "do" and "n't" as one word, as in a text. Other word parts are split by every tokenizer."""
    words: list[str] = []
    tags: list[str] = []
    for word, tag in zip(sentence.words, sentence.tags, strict=True):
        if word.lower() == "n't" and words:
            words[-1] += word
        else:
            words.append(word)
            tags.append(tag)
    return Sentence(tuple(words), tuple(tags))


def shorten(
    words: list[str], tags: list[str], share: float, generator: np.random.Generator
) -> tuple[list[str], list[str]]:
    """A share of the sentences cut to a few words, and as large a share left without its full stop."""
    chance = generator.random()
    if chance < share:
        start = int(generator.integers(max(1, len(words) - 2)))
        end = start + int(generator.integers(2, 10))
        return words[start:end], tags[start:end]
    if chance < 2 * share and words[-1] == "." and len(words) > 1:
        return words[:-1], tags[:-1]
    return words, tags
