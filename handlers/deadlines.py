"""The time that a batch may take, so that all of it ends before the server ends its worker."""

import time

from .errors import DeadlineExceeded

# Of the time that the server gives a worker for a batch (responseTimeout): until when each step may start on another
# piece of work. What has begun is finished: one input's preprocessing, one call of the model, one answer.
SHARE_OF_TIME = {"preprocess": 0.25, "inference": 0.5, "postprocess": 0.75}
NO_TIME = "There was no time left for this request in its batch; send less, or try again."


class Deadline:
    """When the steps of one batch must stop, counted from now; ``timeout_s`` is the server's for the batch."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.started = time.monotonic()

    def left_s(self, step: str) -> float:
        """The seconds for which a step may start on more work; below 0 if its time is over."""
        return self.started + self.timeout_s * SHARE_OF_TIME[step] - time.monotonic()

    def check(self, step: str) -> None:
        """Raises DeadlineExceeded if the step's time is over."""
        if self.left_s(step) < 0:
            raise DeadlineExceeded(NO_TIME)


NO_DEADLINE = Deadline(float("inf"))
