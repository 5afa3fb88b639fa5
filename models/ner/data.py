"""From tagged sentences to windows of pieces: sentences joined, words hidden, batches padded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.iob2 import Sentence
from models.ner.model import LABELS, MAX_TOKENS
from models.ner.names import compose_list, compose_sentence
from models.ner.pieces import Pieces
from models.ner.recipe import Recipe, interpolate
from models.ner.variation import Variation, join_contractions, name_places, shorten

IGNORED = -100  # no loss here
LABEL_IDS = {label: index for index, label in enumerate(LABELS)}
POOL_WINDOWS = 192  # windows that are drawn together, so that a batch has some of like length
COMPOSED = 12  # sentences of a window without a corpus
STEP = 16  # lengths are multiples of it: oneDNN compiles its kernels for each shape anew


@dataclass(frozen=True)
class Window:
    """One text as the network gets it; all int64 (length,)."""

    pieces: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Windows of like length, padded; all int64 (batch, length)."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


class Windows:
    """Endless random windows of the corpora, as the recipe has them at some progress."""

    def __init__(self, corpora: dict[str, list[Sentence]], pieces: Pieces, recipe: Recipe) -> None:
        self.corpora = {name: [join_contractions(sentence) for sentence in corpora[name]] for name in corpora}
        for name in recipe.countries_act:
            self.corpora[name] = [name_places(sentence) for sentence in self.corpora[name]]
        self.pieces, self.recipe = pieces, recipe
        self.variation = Variation(self.corpora, recipe)

    def batches(self, progress: float, generator: np.random.Generator) -> Iterator[Batch]:
        """Batches of ``batch_pieces`` pieces at most, padding included."""
        windows = [self.draw_window(progress, generator) for _ in range(POOL_WINDOWS)]
        windows.sort(key=lambda window: len(window.pieces))
        batches: list[list[Window]] = [[]]
        for window in windows:
            if (len(batches[-1]) + 1) * round_up(len(window.pieces)) > self.recipe.batch_pieces:
                batches.append([])
            batches[-1].append(window)
        for index in generator.permutation(len(batches)):
            yield pad(batches[index])

    def draw_window(self, progress: float, generator: np.random.Generator) -> Window:
        """One sentence, or several of one corpus up to a random length: neighbours, or from anywhere in it."""
        recipe = self.recipe
        shares = np.array([interpolate(recipe.shares[name], progress) for name in self.corpora])
        if generator.random() < recipe.invented:
            sentences = [compose_sentence(generator) for _ in range(COMPOSED)]
        else:
            sentences = self.corpora[list(self.corpora)[generator.choice(len(shares), p=shares / shares.sum())]]
        index, words, tags, ids, labels, owners = int(generator.integers(len(sentences))), [], [], [], [], []
        single, neighbours = generator.random() < recipe.single, generator.random() < 0.5
        budget = MAX_TOKENS - 2 if single else int(generator.integers(40, MAX_TOKENS - 1))
        while True:
            words, tags = self.variation.vary(sentences[index], generator)
            if single:
                words, tags = shorten(words, tags, recipe.fragments, generator)
            elif not ids and generator.random() < 0.3:  # as a window of a long text, which starts anywhere
                cut = int(generator.integers(len(words)))
                words, tags = words[cut:], tags[cut:]
            elif words[-1] == "." and generator.random() < 0.06:  # a headline, or the line of a list
                words, tags = words[:-1], tags[:-1]
            self.append(words, tags, ids, labels, owners, generator)
            if single or len(ids) >= budget:
                break
            if generator.random() < recipe.lists:
                listed = compose_list(generator)
                self.append(list(listed.words), list(listed.tags), ids, labels, owners, generator)
            index = (index + 1) % len(sentences) if neighbours else int(generator.integers(len(sentences)))
        return self.hide(
            ids[:budget], labels[:budget], owners[:budget], interpolate(recipe.hidden, progress), generator
        )

    def append(
        self,
        words: list[str],
        tags: list[str],
        ids: list[int],
        labels: list[int],
        owners: list[int],
        generator: np.random.Generator,
    ) -> None:
        """Adds the pieces of the words, their labels, and for each piece the number of its word."""
        chances = generator.random(len(words))
        for word, tag, chance in zip(words, tags, chances.tolist(), strict=True):
            split = generator if chance < self.recipe.split else None
            for pieces in self.pieces.of_word(word, split):
                owner = owners[-1] + 1 if owners else 0
                inside = LABEL_IDS["I" + tag[1:] if tag != "O" else tag]
                ids += pieces
                labels += [LABEL_IDS[tag], *[inside] * (len(pieces) - 1)]
                owners += [owner] * len(pieces)
                tag = "I" + tag[1:] if tag != "O" else tag

    def hide(
        self, ids: list[int], labels: list[int], owners: list[int], share: float, generator: np.random.Generator
    ) -> Window:
        """The window with some words hidden: 8 in 10 behind [MASK], 2 behind random pieces."""
        true, owner = np.array(ids, np.int64), np.array(owners, np.int64)
        words = owner[-1] + 1 if len(owner) else 0
        chosen = (generator.random(words) < share)[owner]
        how = generator.random(words)[owner]
        shown = np.where(chosen & (how < 0.8), self.pieces.mask, true)
        shown = np.where(chosen & (how >= 0.8), generator.integers(5, self.pieces.count, len(true)), shown)
        frame = np.array([IGNORED])
        return Window(
            np.concatenate(([self.pieces.start], shown, [self.pieces.end])),
            np.concatenate((frame, np.array(labels, np.int64), frame)),
        )


def round_up(length: int) -> int:
    """The next multiple of ``STEP``."""
    return -(-length // STEP) * STEP


def pad(windows: list[Window]) -> Batch:
    """The windows side by side, each filled up to the longest."""
    length = round_up(max(len(window.pieces) for window in windows))

    def stack(name: str, filling: int) -> Tensor:
        rows = np.full((len(windows), length), filling, np.int64)
        for row, window in zip(rows, windows, strict=True):
            values = getattr(window, name)
            row[: len(values)] = values
        return torch.from_numpy(rows)

    lengths = torch.tensor([len(window.pieces) for window in windows])
    mask = (torch.arange(length)[None] < lengths[:, None]).long()
    return Batch(stack("pieces", 0), mask, stack("labels", IGNORED))
