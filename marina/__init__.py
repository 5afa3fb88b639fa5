"""The tool: builds, checks and serves model archives."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marina.local import LocalModel

__version__ = "0.1.0"


def load(archive: "str | os.PathLike[str]", threads: int | None = None) -> "LocalModel":
    """The model in an archive, without a server: ``marina.load("model_store/resnet18.mar")(Path("photo.jpg"))``.

    ``threads`` is how many it computes with, its share of the cores if none is given. Raises MarinaError.
    """
    from marina.local import LocalModel

    return LocalModel(archive, threads)
