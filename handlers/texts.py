"""Texts to windows of tokens, and windows through the model with little padding."""

import os
from bisect import bisect_left
from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy as np

from .base import Handler
from .deadlines import NO_TIME
from .errors import DeadlineExceeded, UnusableInput
from .payloads import Payload
from .sentences import find_sentences
from .settings import Settings, SettingsError

Array = Any  # np.ndarray, which takes no parameters in the numpy of Python 3.6
Range = Tuple[int, int]  # start and end, the end excluded

# What a model may take, all int64 (batch, length): as transformers calls them. The last is not needed, and all zeros.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# A new slice begins where one more window would make more than this share of the tokens padding. Under 10 % in all
# was asked for; finer slices are more calls, with less work in each.
MOST_PADDING = 0.08
# Texts are computed in groups of about so many tokens, and the time is looked at between them.
GROUP_TOKENS = 16384


class TextSettings(Settings):
    input: str = "text"
    max_bytes: int = 1000000
    tokenizer: str = "tokenizer.json"  # as the library `tokenizers` writes it
    max_tokens: int  # of one window, special ones included: what the model takes
    overlap: int = 32  # tokens that neighbouring windows share
    by_sentence: bool = False  # a window holds no more than one sentence: what is said of it depends on no other
    slice_tokens: int = 1024  # that one call of the model computes at most, unless one window is longer
    max_chars: int = 100000  # Unicode code points of a text
    min_chars: int = 1  # without the white space around it


class Text(NamedTuple):
    """One request: the text as it was sent, its n tokens, and the windows that they are cut into."""

    text: str
    ids: Array  # int64 (n,), without special tokens
    offsets: Array  # int32 (n, 2): start and end of each token in the text, in code points
    words: Array  # int32 (n,): the word that each token is a piece of
    windows: List[Range]  # tokens; in order, neighbours overlap


class TextHandler(Handler):
    """What the tasks on text share. A window's output is given whole; a task makes an answer of them."""

    settings_type = TextSettings
    settings: TextSettings

    def prepare(self, model_dir: str) -> None:
        from tokenizers import Tokenizer

        self.use_tokenizer(Tokenizer.from_file(os.path.join(model_dir, self.settings.tokenizer)))

    def use_tokenizer(self, tokenizer: Any) -> None:
        """Sets the tokenizer, and finds out what it puts around a window. Raises SettingsError."""
        self.inputs = self.model.names or list(INPUTS[:2])
        if not set(INPUTS[:2]) <= set(self.inputs) <= set(INPUTS):
            raise SettingsError("The model takes %s; a text handler has %s" % (self.inputs, list(INPUTS)))
        self.steps = self.model.steps
        self.tokenizer = tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.encode_special_tokens = True  # "[SEP]" in a text is five characters like others
        framed = self.tokenizer.encode("a")
        inner = [index for index, special in enumerate(framed.special_tokens_mask) if not special]
        if not inner:
            raise SettingsError("%s makes no tokens of a letter" % self.settings.tokenizer)
        self.before, self.after = framed.ids[: inner[0]], framed.ids[inner[-1] + 1 :]
        self.room = self.settings.max_tokens - len(self.before) - len(self.after)
        if self.room <= self.settings.overlap:
            raise SettingsError("handler.overlap must be less than handler.max_tokens, special tokens taken off")

    def preprocess(self, payload: Payload) -> Text:
        """The tokens of a raw text/plain body, or of the JSON field "text"."""
        limits = self.settings
        return self.encode(payload.read_text("text", limits.max_bytes, limits.max_chars, limits.min_chars))

    def encode(self, text: str) -> Text:
        """The tokens and windows of a text. Raises UnusableInput where it has none."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        if not encoding.ids:
            raise UnusableInput("The text has no letters, digits or signs.")
        return Text(
            text,
            np.array(encoding.ids, np.int64),
            np.array(encoding.offsets, np.int32),
            np.array([-1 if word is None else word for word in encoding.word_ids], np.int32),
            self.cut(text, [start for start, _ in encoding.offsets]),
        )

    def cut(self, text: str, starts: Sequence[int]) -> List[Range]:
        """The windows of a text whose tokens start at these offsets."""
        firsts = [0]
        if self.settings.by_sentence:
            firsts = sorted({bisect_left(starts, offset) for offset in find_sentences(text)} - {len(starts)})
        return [
            (first + start, first + end)
            for first, last in zip(firsts, [*firsts[1:], len(starts)])
            for start, end in cut_windows(last - first, self.room, self.settings.overlap)
        ]

    def inference(self, inputs: Sequence[Text]) -> List[Any]:
        """For each text what the model gives for each of its windows, or DeadlineExceeded.

        Short texts come first: where a batch holds more than its time allows, it is the longest that are not done.
        """
        outputs: List[Any] = [None] * len(inputs)
        for group in group_texts([len(text.ids) for text in inputs]):
            if self.deadline.left_s("inference") >= 0:
                found: List[Any] = self.run_windows([inputs[index] for index in group])
            else:
                found = [DeadlineExceeded(NO_TIME)] * len(group)
            for index, output in zip(group, found):
                outputs[index] = output
        return outputs

    def count_in_time(self, count: int) -> int:
        """All of them: ``inference`` looks at the time itself."""
        return count

    def run_windows(self, texts: Sequence[Text]) -> List[List[Array]]:
        """What the model gives for each window of each text, not cut to the window's length."""
        framed = [self.frame(text, window) for text in texts for window in text.windows]
        outputs: List[Any] = [None] * len(framed)
        rows, length = self.steps
        lengths = [min(fill(len(ids), length), self.settings.max_tokens) for ids in framed]
        for members in make_slices(lengths, self.settings.slice_tokens):
            windows = [framed[index] for index in members]
            # Whole rows of padding could become no number at all; one more of the last can't.
            windows += windows[-1:] * (fill(len(windows), rows) - len(windows))
            ids, mask = pad(windows, lengths[members[0]])
            useful = int(mask[: len(members)].sum())
            self.count(TokensComputed=ids.size, TokensPadded=ids.size - useful)
            arrays = dict(zip(INPUTS, (ids, mask, np.zeros_like(ids))))
            for index, output in zip(members, self.model(*[arrays[name] for name in self.inputs])):
                outputs[index] = output
        remaining = iter(outputs)
        return [[next(remaining) for _ in text.windows] for text in texts]

    def frame(self, text: Text, window: Range) -> List[int]:
        """The token ids of one window, with the special ones around them."""
        return [*self.before, *text.ids[slice(*window)].tolist(), *self.after]

    def example(self) -> Text:
        """A text that fills a window: what the model can't take shows before the first request."""
        return self.encode("a " * self.room)


def cut_windows(length: int, room: int, overlap: int) -> List[Range]:
    """The fewest ranges of at most ``room`` tokens that cover ``length``, equally long, sharing ``overlap`` or more."""
    if length <= room:
        return [(0, length)]
    count = -(-(length - overlap) // (room - overlap))
    size = -(-(length + (count - 1) * overlap) // count)
    starts = [index * (length - size) // (count - 1) for index in range(count)]
    return [(start, start + size) for start in starts]


def group_texts(lengths: Sequence[int]) -> List[List[int]]:
    """Indices of texts in groups of about ``GROUP_TOKENS`` tokens, the shortest texts first."""
    groups: List[List[int]] = []
    total = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or total + lengths[index] > GROUP_TOKENS:
            groups.append([])
            total = 0
        groups[-1].append(index)
        total += lengths[index]
    return groups


def own_ranges(windows: Sequence[Range]) -> List[Range]:
    """The part of each window that is farther from its ends than from its neighbours': together, everything once."""
    seams = [(left[1] + right[0]) // 2 for left, right in zip(windows, windows[1:])]  # noqa: RUF007 (Python 3.6)
    return list(zip([windows[0][0], *seams], [*seams, windows[-1][1]]))


def make_slices(lengths: Sequence[int], most_tokens: int) -> List[List[int]]:
    """Indices of windows in groups that are padded and computed together: alike in length, the longest first."""
    slices: List[List[int]] = []
    total = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if slices:
            computed = lengths[slices[-1][0]] * (len(slices[-1]) + 1)
            padding = computed - total - lengths[index]
            if computed <= most_tokens and padding <= MOST_PADDING * computed:
                slices[-1].append(index)
                total += lengths[index]
                continue
        slices.append([index])
        total = lengths[index]
    return slices


def fill(count: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-count // step) * step


def pad(windows: Sequence[Sequence[int]], length: int) -> Tuple[Array, Array]:
    """Token ids and mask, both int64 (windows, length); what is masked out is padding."""
    ids = np.zeros((len(windows), length), np.int64)
    mask = np.zeros((len(windows), length), np.int64)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window
        mask[row, : len(window)] = 1
    return ids, mask
