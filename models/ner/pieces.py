"""The pieces of single words: as the tokenizer cuts them, or smaller ones at random."""

import numpy as np
from tokenizers import Tokenizer


class Pieces:
    """Word -> the pieces of each of its parts; a part is what the tokenizer takes for a word ("U.S." has four)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.vocabulary: dict[str, int] = tokenizer.get_vocab()
        self.count = len(self.vocabulary)
        self.start, self.end, self.mask, self.unknown = (
            self.vocabulary[name] for name in ("[CLS]", "[SEP]", "[MASK]", "[UNK]")
        )
        self.known: dict[str, list[tuple[str, list[int]]]] = {}

    def of_word(self, word: str, generator: np.random.Generator | None = None) -> list[list[int]]:
        """The word's parts, each a list of piece ids; with a generator, cut into smaller pieces than needed."""
        if word not in self.known:
            normalised = self.tokenizer.normalizer.normalize_str(word)
            parts = [part for part, _ in self.tokenizer.pre_tokenizer.pre_tokenize_str(normalised)]
            self.known[word] = [(part, [piece.id for piece in self.tokenizer.model.tokenize(part)]) for part in parts]
        if generator is None:
            return [ids for _, ids in self.known[word]]
        return [self.cut(part, generator) for part, _ in self.known[word]]

    def cut(self, part: str, generator: np.random.Generator) -> list[int]:
        """Longest match first, but half of the longer ones passed over. (MaxMatch-Dropout, 2022)"""
        ids, start = [], 0
        while start < len(part):
            prefix = "##" if start else ""
            ends = [end for end in range(len(part), start, -1) if prefix + part[start:end] in self.vocabulary]
            if not ends:
                return [self.unknown]
            end = next((end for end in ends[:-1] if generator.random() < 0.5), ends[-1])
            ids.append(self.vocabulary[prefix + part[start:end]])
            start = end
        return ids
