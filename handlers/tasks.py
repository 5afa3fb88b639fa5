"""Which class handles which task."""

import importlib
from typing import Type

from .base import Handler

TASKS = {
    "handwriting": "handlers.handwriting:Handwriting",
    "image_classification": "handlers.image_classification:ImageClassification",
    "image_ensemble": "handlers.image_ensemble:ImageEnsemble",
    "named_entities": "handlers.named_entities:NamedEntities",
    "readability": "handlers.readability:Readability",
}


def load_task(name: str) -> Type[Handler]:
    """The handler class of a task: one of ``TASKS``, or a model's own as "module:Class"."""
    if name not in TASKS and ":" not in name:
        raise ValueError("handler.task %r is not one of %s, and no module:Class" % (name, ", ".join(sorted(TASKS))))
    module, _, class_name = TASKS.get(name, name).partition(":")
    handler: Type[Handler] = getattr(importlib.import_module(module), class_name)
    return handler
