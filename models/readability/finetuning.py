"""A checkpoint that already knows the language, while it learns what people said of the excerpts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.readability.batches import encode, pad
from models.readability.data import Excerpts


@dataclass(frozen=True)
class Settings:
    """How a checkpoint is fine-tuned. The defaults suit bert-base-cased and some thousand excerpts."""

    start: str  # name on the Hugging Face hub, or a folder
    seed: int = 0
    max_tokens: int = 300
    learning_rate: float = 1e-5
    batch_size: int = 32
    epochs: int = 3


class FineTuning:
    """The network on its way. Its output is standardised."""

    def __init__(self, settings: Settings, model: Any, tokenizer: Any, excerpts: Excerpts) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.tokenizer, self.epochs = settings, tokenizer, settings.epochs
        self.max_tokens, self.batch_size = settings.max_tokens, settings.batch_size
        self.mean, self.spread = float(excerpts.targets.mean()), float(excerpts.targets.std()) or 1.0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device)
        self.rows = encode(tokenizer, excerpts.texts, settings.max_tokens)
        self.targets = torch.from_numpy((excerpts.targets - self.mean) / self.spread).to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), settings.learning_rate)

    @property
    def kept(self) -> nn.Module:
        """The network that is judged."""
        kept: nn.Module = self.model
        return kept

    def run_epoch(self, number: int) -> Iterator[tuple[float, float]]:
        """Sees every excerpt once. After each batch: the share done, and the mean loss up to there."""
        generator = np.random.default_rng((self.settings.seed, number))
        torch.manual_seed(self.settings.seed + number)
        order = generator.permutation(len(self.rows))
        batches = np.array_split(order, -(-len(order) // self.settings.batch_size))
        self.model.train()
        losses = []
        for done, batch in enumerate(batches, 1):
            losses.append(self.run_step(batch))
            yield done / len(batches), float(np.mean(losses)) * self.spread

    def run_step(self, batch: np.ndarray) -> float:
        """Learns from the excerpts at these indices, and gives the root of their mean squared error."""
        ids, mask = pad([self.rows[index] for index in batch], int(self.tokenizer.pad_token_id))
        with torch.autocast(self.device.type, torch.bfloat16):
            scores: Tensor = self.model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device)).logits
        loss = (scores[:, 0].float() - self.targets[torch.from_numpy(batch)]).square().mean().add(1e-12).sqrt()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """What a checkpoint of the training holds."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint of the training."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
