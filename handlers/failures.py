"""Exceptions of a batch's steps: each becomes the error of its own request, and all of them one line of the log."""

import logging
import os
import traceback
from collections import Counter
from typing import Any, Callable, List, Optional

from .errors import DeadlineExceeded, ModelError, OutOfMemory, RequestError
from .memory import is_out_of_memory

logger = logging.getLogger(__name__)

# What a log line tells at most: kinds of failure, and calls on the way to each, the innermost.
MOST_KINDS = 3
MOST_FRAMES = 8


class Failures:
    """What failed in one batch. A message may hold a piece of the input, so only types and places are kept."""

    def __init__(self) -> None:
        self.found: List[str] = []
        self.ran_out_of_memory = False

    def add(self, error: BaseException) -> None:
        frames = list(traceback.walk_tb(error.__traceback__))[-MOST_FRAMES:]
        places = ["%s:%d" % (os.path.basename(frame.f_code.co_filename), line or 0) for frame, line in frames]
        self.ran_out_of_memory |= is_out_of_memory(error)
        self.found.append("%s at %s" % (type(error).__name__, " > ".join(places)))

    def log(self, statuses: List[int]) -> None:
        """Writes one line if anything failed, or was not done in time; ``statuses`` are the batch's answers'."""
        failed, late = statuses.count(ModelError.status), statuses.count(DeadlineExceeded.status)
        if self.found or late:
            kinds = ["%s (%d times)" % pair for pair in Counter(self.found).most_common(MOST_KINDS)]
            told = "; ".join(kinds) or "nothing raised"
            logger.error("In a batch of %d, %d failed and %d ran out of time: %s", len(statuses), failed, late, told)


def attempt(step: Callable[[], Any], failures: Optional[Failures] = None) -> Any:
    """What the step gives, or the RequestError that it ends with, which is a ModelError or OutOfMemory for any other.

    An error is kept until its batch is answered, so it lets go of everything that the step worked on.
    """
    try:
        return step()
    except RequestError as error:
        forget_frames(error)
        return error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a model raises is its own fault; a panic in Rust is no Exception
        if failures is not None:
            failures.add(error)
        forget_frames(error)
        if is_out_of_memory(error):
            return OutOfMemory("The input takes more memory than the model may use for it.")
        return ModelError("The model failed on this input.")


def forget_frames(error: BaseException) -> None:
    """Cuts an exception from the frames that it went through, and from the exceptions that it came from.

    Their local variables go too, so that a frame that holds its own exception does not keep itself alive.
    """
    errors: List[BaseException] = [error]
    while errors:
        each = errors.pop()
        errors += [other for other in (each.__cause__, each.__context__) if other is not None]
        traceback.clear_frames(each.__traceback__)
        each.__traceback__ = each.__cause__ = each.__context__ = None
