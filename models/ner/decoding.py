"""From the network's answers to entities, by the code that serves, and how they match a corpus's."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from tokenizers import Tokenizer
from torch import nn

from handlers.named_entities import EntitySettings, NamedEntities
from models.iob2 import Score, Sentence, Span, read_spans, score_spans
from models.ner.text import to_spans, write_text

CONFIG = Path(__file__).with_name("model-config.yaml")
BATCH = 256  # texts


class TorchModel:
    """The network as a handler calls it: two arrays int64 (batch, length) in, float32 (batch, length, labels) out."""

    names: tuple[str, ...] = ()
    steps = (1, 1)

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    @torch.inference_mode()
    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        logits: np.ndarray = self.network(*map(torch.from_numpy, arrays)).float().numpy()
        return logits


def find_entities(network: nn.Module, tokenizer: Tokenizer, texts: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The entities of each text as the service answers them, by the handler and the settings that serve."""
    handler: Any = NamedEntities()
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["handler"]
    handler.settings = EntitySettings(settings | {"timeout_s": 3600})
    handler.model, handler.counts = TorchModel(network), {}
    handler.use_tokenizer(tokenizer)
    for start in range(0, len(texts), BATCH):
        encoded = [handler.encode(text) for text in texts[start : start + BATCH]]
        yield from map(handler.postprocess, handler.inference(encoded), encoded)


def find_spans(
    network: nn.Module, tokenizer: Tokenizer, sentences: list[Sentence], joined: int = 1
) -> Iterator[list[Span]]:
    """The entities of each sentence as spans of its words, found in texts of ``joined`` sentences."""
    texts = [write_text(sentence.words) for sentence in sentences]
    groups = [texts[start : start + joined] for start in range(0, len(texts), joined)]
    answers = find_entities(network, tokenizer, [" ".join(text for text, _ in group) for group in groups])
    for group, entities in zip(groups, answers, strict=True):
        shift = 0
        for text, places in group:
            yield list(to_spans(entities, [(start + shift, end + shift) for start, end in places]))
            shift += len(text) + 1


def judge(network: nn.Module, tokenizer: Tokenizer, sentences: list[Sentence], joined: int = 1) -> dict[str, Score]:
    """How the names found in the sentences match those of the corpus; each is a text of its own, or ``joined`` are."""
    found = find_spans(network, tokenizer, sentences, joined)
    return score_spans([read_spans(sentence.tags) for sentence in sentences], list(found))


def agreement(network: nn.Module, tokenizer: Tokenizer, sentences: list[Sentence], joined: int) -> float:
    """The share of words that have one type both in their sentence alone and in a text of ``joined`` sentences.

    Of the words that one of the two makes part of a name; for that the others agree says little.
    """
    alone, together = (type_words(find_spans(network, tokenizer, sentences, count)) for count in (1, joined))
    same = sum(together.get(word) == kind for word, kind in alone.items())
    return same / max(1, len(alone.keys() | together.keys()))


def type_words(found: Iterable[list[Span]]) -> dict[tuple[int, int], str]:
    """(sentence, word) -> the type of the name that it is part of, for words that are."""
    return {
        (number, word): span.type
        for number, spans in enumerate(found)
        for span in spans
        for word in range(span.start, span.end)
    }


def describe_scores(scores: dict[str, Score]) -> dict[str, dict[str, Any]]:
    """The scores as ``figures.json`` holds them: type -> precision, recall, f1, support."""
    return {
        kind: {
            "precision": round(score.precision, 4),
            "recall": round(score.recall, 4),
            "f1": round(score.f1, 4),
            "support": score.support,
        }
        for kind, score in scores.items()
    }
