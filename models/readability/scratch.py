"""BERT while it learns from nothing but the excerpts: first what a ridge regression knows, then what people said."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.readability.batches import Batch, make_batches
from models.readability.data import Excerpts
from models.readability.model import build_model
from models.readability.passages import Passages
from models.readability.pieces import MASK, SEP, learn_pieces
from models.readability.recipe import Recipe, Stage, learning_rate_at
from models.readability.ridge import Ridge
from models.readability.surface import NAMES, Frequencies

POOL = 512  # passages that are drawn at once and sorted by length, so that little is padding


class Heads(nn.Module):
    """What BERT answers besides the score while it learns: the surface values, and the words that are hidden."""

    def __init__(self, embeddings: nn.Embedding) -> None:
        super().__init__()
        width = embeddings.embedding_dim
        self.surface = nn.Linear(width, len(NAMES))
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(embeddings.num_embeddings))

    def words(self, hidden: Tensor, embeddings: nn.Embedding) -> Tensor:
        """Logits float32 (N, pieces) of the pieces that were hidden at N places with states (N, width)."""
        return F.linear(self.transform(hidden), embeddings.weight, self.bias).float()


class Scratch:
    """The network on its way. ``average`` is what is judged and kept; its output is standardised."""

    def __init__(self, recipe: Recipe, excerpts: Excerpts) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.mean, self.spread = float(excerpts.targets.mean()), float(excerpts.targets.std())
        self.passages = Passages(excerpts, Ridge(excerpts, Frequencies(excerpts.texts)))
        self.tokenizer = learn_pieces(excerpts.texts, recipe.pieces, recipe.max_tokens)
        self.model = build_model(recipe, len(self.tokenizer))
        self.heads = Heads(self.embeddings)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging))
        self.optimizer = torch.optim.AdamW(parameter_groups([self.model, self.heads], recipe.weight_decay))
        self.epochs, self.count = recipe.epochs, len(excerpts)
        self.max_tokens, self.batch_size = recipe.max_tokens, 32

    @property
    def embeddings(self) -> nn.Embedding:
        found: nn.Embedding = self.model.get_input_embeddings()
        return found

    @property
    def kept(self) -> nn.Module:
        """The network that is judged."""
        return self.average.module

    def run_epoch(self, number: int) -> Iterator[tuple[float, float]]:
        """Sees as many passages as there are excerpts. After each batch: the share done, and the loss up to there.

        The loss is the root of the scores' mean squared error, in the unit of the targets.
        """
        stage, inside = self.recipe.stage_at(number)
        generator = np.random.default_rng((self.recipe.seed, number))
        torch.manual_seed(self.recipe.seed + number)
        self.model.train()
        total, done = 0.0, 0
        for batch in self.draw_batches(stage, generator):
            progress = (inside + done / self.count) / stage.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate_at(progress, stage.learning_rate)
            total += self.run_step(batch, stage, generator) * len(batch.scores)
            done += len(batch.scores)
            yield done / self.count, float((total / done) ** 0.5) * self.spread

    def draw_batches(self, stage: Stage, generator: np.random.Generator) -> Iterator[Batch]:
        """One epoch's passages, those of about equal length together."""
        for start in range(0, self.count, POOL):
            drawn = [self.passages.draw(stage, generator) for _ in range(min(POOL, self.count - start))]
            batches = make_batches(self.tokenizer, drawn, self.recipe.max_tokens, self.recipe.batch_tokens)
            yield from (batches[index] for index in generator.permutation(len(batches)))

    def run_step(self, batch: Batch, stage: Stage, generator: np.random.Generator) -> float:
        """Learns from one batch, and gives the mean squared error of its scores, standardised."""
        hiding = stage.words_weight > 0 and generator.random() < 0.5
        ids, hidden = self.hide(batch) if hiding else (batch.ids, None)
        with torch.autocast("cpu", torch.bfloat16):
            states = self.model.base_model(input_ids=ids, attention_mask=batch.mask)
            pooled = self.model.dropout(states.pooler_output)
            scores, surface = self.model.classifier(pooled)[:, 0], self.heads.surface(pooled)
            error = F.mse_loss(scores.float(), (batch.scores - self.mean) / self.spread)
            loss = error + stage.surface_weight * F.mse_loss(surface.float(), batch.surface)
            if hidden is not None:
                logits = self.heads.words(states.last_hidden_state[hidden], self.embeddings)
                loss = loss + stage.words_weight * F.cross_entropy(logits, batch.ids[hidden])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return float(error.detach())

    def hide(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The token ids with some replaced by [MASK], and where: bool (batch, length). Never a special token."""
        chosen = (torch.rand(batch.ids.shape) < self.recipe.masked) & (batch.ids > MASK) & (batch.ids != SEP)
        return batch.ids.masked_fill(chosen, MASK), chosen

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        parts = ("model", "heads", "average", "optimizer")
        return {name: getattr(self, name).state_dict() for name in parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint."""
        for name, values in state.items():
            getattr(self, name).load_state_dict(values)


def parameter_groups(modules: list[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Decay for matrices, none for biases and normalisation."""
    parameters = [weights for module in modules for weights in module.parameters()]
    return [
        {"params": [weights for weights in parameters if weights.ndim > 1], "weight_decay": weight_decay},
        {"params": [weights for weights in parameters if weights.ndim <= 1], "weight_decay": 0.0},
    ]
