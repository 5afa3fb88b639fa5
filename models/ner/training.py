"""The network while it learns: one step, one epoch, and what a checkpoint holds."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.checkpoints import Logits
from models.ner.data import IGNORED, Batch, Windows
from models.ner.model import LABELS, build_model, configure
from models.ner.recipe import Recipe


class Training:
    """The network on its way: what changes from step to step, and how. ``average`` is what will be kept."""

    def __init__(self, recipe: Recipe, windows: Windows) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.windows = recipe, windows
        config = configure(windows.pieces.count, recipe.layers, recipe.width, recipe.heads, recipe.dropout)
        self.model = build_model(config)
        self.network = Logits(self.model)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging))
        self.optimizer = torch.optim.AdamW(self.parameter_groups(), betas=(0.9, 0.98), fused=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Decay for matrices, none for others; words' embeddings, which are seen rarely, have a pace of their own."""
        embeddings = [*self.model.distilbert.embeddings.word_embeddings.parameters()]
        others = [*self.model.parameters()][len(embeddings) :]
        matrices, vectors = ([weights for weights in others if (weights.ndim > 1) == wide] for wide in (True, False))
        return [
            {"params": embeddings, "weight_decay": 0.0, "pace": self.recipe.embeddings_pace},
            {"params": matrices, "weight_decay": self.recipe.weight_decay, "pace": 1.0},
            {"params": vectors, "weight_decay": 0.0, "pace": 1.0},
        ]

    def run_epoch(self, number: int) -> float:
        """Learns from as many batches as an epoch has, and gives the mean loss."""
        generator = np.random.default_rng((self.recipe.seed, number))
        torch.manual_seed(self.recipe.seed + 1000 * number)  # of the dropout
        self.model.train()
        losses: list[float] = []
        while len(losses) < self.recipe.steps:
            for batch in self.windows.batches(self.progress(number, len(losses)), generator):
                if len(losses) < self.recipe.steps:
                    losses.append(self.run_step(batch, self.progress(number, len(losses))))
        return float(np.mean(losses))

    def progress(self, epoch: int, step: int) -> float:
        """The share of the training that is done."""
        return (epoch + step / self.recipe.steps) / self.recipe.epochs

    def run_step(self, batch: Batch, progress: float) -> float:
        """Learns from one batch, and gives its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(progress) * group["pace"]
        with torch.autocast("cpu", torch.bfloat16):
            states = self.model.distilbert(batch.input_ids, batch.attention_mask).last_hidden_state
            logits = self.model.classifier(self.model.dropout(states))
        loss = F.cross_entropy(
            logits.float().view(-1, len(LABELS)),
            batch.labels.view(-1),
            ignore_index=IGNORED,
            label_smoothing=self.recipe.label_smoothing,
        )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        parts = (self.model, self.average, self.optimizer)
        return {str(index): part.state_dict() for index, part in enumerate(parts)}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint."""
        for index, part in enumerate((self.model, self.average, self.optimizer)):
            part.load_state_dict(state[str(index)])
