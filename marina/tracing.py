"""TorchScript of a model's own torch modules, with the shipped weights. Needs torch."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from marina.errors import MarinaError
from marina.model_code import find_task, named_function
from marina.model_config import ModelConfig

PROBABILITIES = {"aten::softmax", "aten::sigmoid", "aten::hardsigmoid"}
# Operators that leave the values as they are.
RESHAPING = {f"aten::{name}" for name in ("view", "reshape", "flatten", "squeeze", "permute", "to", "contiguous")}
TRACED_BATCH = 2  # a batch of one could be traced as if there were no other


class HandedModule:
    """A torch module as a handler calls a model; it keeps the last batch that it was handed."""

    names: Sequence[str] = ()
    steps = (1, 1)

    def __init__(self, module: Any) -> None:
        self.module = module
        self.batch: tuple[Any, ...] = ()

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import torch

        self.batch = tuple(torch.from_numpy(array) for array in arrays)
        with torch.no_grad():
            answered: np.ndarray = self.module(*self.batch).float().numpy()
            return answered


def trace_modules(
    config: ModelConfig, variant: str, settings: dict[str, Any], files: Sequence[str]
) -> dict[str, bytes]:
    """Each of the files that the handler will load, traced on what the handler hands it for its own example.

    ``settings`` are the handler's, complete. Raises MarinaError.
    """
    modules = load_modules(config, variant)
    if len(modules) != len(files):
        raise MarinaError(f"archive.module {config.archive.module!r} gave {len(modules)} modules, not {len(files)}")
    models = {file: HandedModule(module) for file, module in zip(files, modules, strict=True)}
    handler: Any = find_task(config)()
    handler.start(str(config.folder), handler.settings_type(settings), 1, models.__getitem__)
    handler.inference([handler.example()] * TRACED_BATCH)
    # Half precision is too coarse for torch's own comparison; the archive's gate compares the answers.
    return {file: trace(model.module, model.batch, check=variant != "float16") for file, model in models.items()}


def find_traced_output(script: bytes) -> str:
    """Whether a TorchScript's output holds "logits", or "probabilities": it ends in softmax or sigmoid then.

    Nothing where there is no torch to look with.
    """
    try:
        import torch
    except ImportError:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is what this is about
        graph = torch.jit.load(io.BytesIO(script), map_location="cpu").inlined_graph
    return "probabilities" if gives_probabilities(next(graph.outputs())) else "logits"


def gives_probabilities(value: Any) -> bool:
    """Whether a value of a TorchScript's graph is what softmax or sigmoid gives; in a scripted one, in every case."""
    node = value.node()
    while node.kind() in RESHAPING:
        value = next(node.inputs())
        node = value.node()
    if node.kind() == "prim::If":
        place = [output.debugName() for output in node.outputs()].index(value.debugName())
        return all(gives_probabilities(list(block.outputs())[place]) for block in node.blocks())
    return node.kind() in PROBABILITIES


def load_modules(config: ModelConfig, variant: str) -> list[Any]:
    """The model's torch modules, ready to answer, in the precision of the variant. Raises MarinaError."""
    if not config.archive.module.partition(":")[2] or not config.archive.files:
        raise MarinaError(
            f"{config.folder}: the {variant} variant needs archive.module, the function that loads the torch module, "
            "and archive.files, the weights that it loads"
        )
    try:
        import torch
    except ImportError as error:
        raise MarinaError(f"the {variant} variant needs torch: see requirements/torch.txt") from error
    try:
        with named_function(config.archive.module) as load:
            found = load(config.folder / config.archive.files[0])
    except (ImportError, AttributeError, OSError) as error:
        raise MarinaError(f"archive.module {config.archive.module!r} can't be loaded: {error}") from error
    modules = [found] if isinstance(found, torch.nn.Module) else list(found)
    return [module.half().eval() if variant == "float16" else module.eval() for module in modules]


def trace(module: Any, batch: tuple[Any, ...], check: bool) -> bytes:
    """The module as TorchScript, with free batch and length; with ``check`` it is compared with the module."""
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        # torch recommends its newer formats, which TorchServe and the Elastic Inference image can't load.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Tracing looks at every attribute of a module, those too that transformers would rather not have read.
        warnings.simplefilter("ignore", FutureWarning)
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.trace(module, batch, check_trace=check), buffer)
        return buffer.getvalue()
