"""The Python that a model brings itself: its task, and the functions that its settings name."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handlers.base import Handler
from handlers.tasks import load_task
from marina.errors import MarinaError
from marina.model_config import ModelConfig
from marina.places import ROOT


def find_task(config: ModelConfig) -> type[Handler]:
    """The class that handles a model: one of the handlers', or one that the model's folder brings itself."""
    task = str(config.handler.get("task", ""))
    if ":" not in task:
        return load_task(task)
    try:
        with importable(config.folder, task.partition(":")[0]):
            return load_task(task)
    except (ImportError, AttributeError) as error:
        raise MarinaError(f"{config.folder}: handler.task {task!r} can't be loaded: {error}") from error


@contextmanager
def named_function(name: str) -> Iterator[Callable[..., Any]]:
    """The project's function "module:function", to be called within the block. Raises ImportError, AttributeError."""
    module, _, function = name.partition(":")
    with importable(ROOT, module):
        yield getattr(importlib.import_module(module), function)


@contextmanager
def importable(folder: Path, module: str) -> Iterator[None]:
    """Lets a module be imported from a folder, anew even where another folder has one of that name."""
    sys.modules.pop(module, None)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
