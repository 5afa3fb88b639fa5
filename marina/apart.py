"""A call in a process of its own: what it imports and takes of memory goes with it."""

import importlib
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from marina.errors import MarinaError

# A fork needs no helper that would stay; there are no threads yet that it could lose.
PROCESSES = multiprocessing.get_context("fork")


def call_apart(module: str, function: str, *arguments: Any) -> Any:
    """What the function of that module gives, or the MarinaError that it raises; the module is not imported here."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=call, args=(sender, module, function, *arguments))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        found = MarinaError("the process that reads the archives ended; its output is above")
    finally:
        receiver.close()
        process.join()
        process.close()
    if isinstance(found, MarinaError):
        raise found
    return found


def call(sender: Connection, module: str, function: str, *arguments: Any) -> None:
    try:
        found = getattr(importlib.import_module(module), function)(*arguments)
    except MarinaError as error:
        found = error
    sender.send(found)
