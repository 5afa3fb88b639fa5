"""What a TorchScript gives is found at its end, where there is no ONNX graph to look in."""

import io

import pytest
import torch

from marina.contents import check_content
from marina.tracing import find_traced_output


class Ending(torch.nn.Module):
    """A small network that ends in the function of that name."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        self.end = end

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logits = self.linear(rows)
        if self.end == "softmax":
            return logits.softmax(1)
        if self.end == "softmax, reshaped":
            return logits.softmax(1).reshape(-1, 3).contiguous()
        return logits.sigmoid() if self.end == "sigmoid" else logits


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("softmax", "probabilities"),
        ("softmax, reshaped", "probabilities"),
        ("sigmoid", "probabilities"),
        ("", "logits"),
    ],
)
@pytest.mark.parametrize("how", ["traced", "scripted"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_torchscript_gives_is_found_at_its_end(end: str, kind: str, how: str) -> None:
    module: torch.nn.Module = Ending(end).eval()
    if how == "scripted" and end:
        last = torch.nn.Sigmoid() if end == "sigmoid" else torch.nn.Softmax(1)
        module = torch.nn.Sequential(torch.nn.Linear(4, 3), last)
    script = torch.jit.trace(module, torch.zeros(2, 4)) if how == "traced" else torch.jit.script(module)
    buffer = io.BytesIO()
    torch.jit.save(script, buffer)
    check_content("model.pt", buffer.getvalue())
    if how == "traced" or end:
        assert find_traced_output(buffer.getvalue()) == kind
