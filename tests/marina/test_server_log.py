"""What is passed on of what a server says, and what is made of a worker's last words."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marina.server_log import BoundedOutput, ServerLog

FORM = "{level}\t{thread}\tcom.Some\t2026-01-01T00:00:00,000 {level:5} Some {message}\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(*lines: tuple[str, str, str]) -> tuple[ServerLog, str]:
    """What becomes of lines of a server: (level, thread, message)."""
    output = io.StringIO()
    log = ServerLog(BoundedOutput(output))
    log.follow(io.StringIO("".join(FORM.format(level=a, thread=b, message=c) for a, b, c in lines)))
    return log, output.getvalue()


def test_more_than_the_bound_is_left_out_and_counted() -> None:
    output, clock = io.StringIO(), Clock()
    bounded = BoundedOutput(output, 100, clock)
    for _ in range(1000):
        bounded.write("0123456789\n")
    assert len(output.getvalue()) < 250
    clock.now += 60
    bounded.tell_left_out()
    bounded.write("after that\n")
    assert "991 lines (0.0 MB) were left out" in output.getvalue()
    assert output.getvalue().endswith("after that\n")


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from([0, 0, 0, 7, 61]))))
def test_no_minute_has_more_than_the_bound(writes: list[tuple[int, int]]) -> None:
    output, clock = io.StringIO(), Clock()
    bounded = BoundedOutput(output, 1000, clock)
    minutes: dict[int, int] = {}
    for size, pause_s in writes:
        clock.now += pause_s
        before = output.tell()
        bounded.write("x" * size + "\n")
        minute = int(clock.now // 60)
        minutes[minute] = minutes.get(minute, 0) + output.tell() - before
    assert max(minutes.values(), default=0) <= 1000 + 200  # with what it says of itself


def test_a_closed_terminal_ends_nothing() -> None:
    output = io.StringIO()
    output.close()
    BoundedOutput(output).write("a line\n")


def test_warnings_are_passed_on_and_what_workers_print_is_not() -> None:
    _, printed = told(
        ("INFO", "W-9000-colours_1.0-stdout", "a text that a handler printed"),
        ("WARN", "W-9000-colours_1.0-stderr", "a warning"),
        ("ERROR", "main", "an error"),
        ("WARN", "W-9000-colours", "attachIOStreams() threadName=W-9000-colours"),
    )
    assert printed == ("2026-01-01T00:00:00,000 WARN  Some a warning\n2026-01-01T00:00:00,000 ERROR Some an error\n")


@pytest.mark.parametrize("thread", ["W-9000-a-b_1.0", "W-9000-a-b"])
def test_the_line_under_the_traceback_is_the_reason(thread: str) -> None:
    said = ["Listening", "Traceback (most recent call last):", '  File "x.py"', "    raise", "ValueError: one", "more"]
    log, _ = told(
        *(("INFO", f"{thread}-stdout", line) for line in said), ("WARN", thread, "Load model failed: a-b, error: x")
    )
    assert log.has_failed("a-b")
    assert log.reason("a-b") == "ValueError: one"
    assert log.traceback("a-b").splitlines() == said[1:]


def test_a_worker_may_end_without_a_word() -> None:
    log, _ = told(("INFO", "W-9000-a_1.0-stdout", "Listening"), ("WARN", "W-9000-a_1.0", "Load model failed: a"))
    assert log.has_failed("a")
    assert log.reason("a") == ""
    assert not log.has_failed("b")


def test_what_takes_too_long_is_told() -> None:
    output = io.StringIO()
    log = ServerLog(BoundedOutput(output))
    lines = FORM.format(level="ERROR", thread="W-9000-a_1.0", message="Backend worker error")
    log.follow(io.StringIO(lines + "org.x.Exception: Backend worker did not respond in given time\n\tat y\n"))
    assert "startupTimeout" in log.reason("a")
