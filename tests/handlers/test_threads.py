"""Threads fit the cores of the cgroup, not of the host."""

import os
from pathlib import Path

import pytest

from handlers.threads import available_cores, cgroup_cores, cgroup_memory, thread_share


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("", None)])
def test_cgroup_v2(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cgroup_cores(str(tmp_path)) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", None)])
def test_cgroup_v1(tmp_path: Path, quota: str, cores: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert cgroup_cores(str(tmp_path)) == cores


def test_no_cgroup(tmp_path: Path) -> None:
    assert cgroup_cores(str(tmp_path)) is None
    assert cgroup_memory(str(tmp_path)) is None


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_of_either_version(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("1073741824\n")
    assert cgroup_memory(str(tmp_path)) == 2**30
    (tmp_path / name).write_text("max\n")
    assert cgroup_memory(str(tmp_path)) is None


def test_a_pinned_process_has_the_cores_that_it_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_cores_are_divided_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARINA_THREADS", raising=False)
    assert thread_share("resnet18", 1) == available_cores()
    assert thread_share("resnet18", 1000) == 1
    monkeypatch.setenv("MARINA_THREADS", '{"resnet18": 3}')
    assert thread_share("resnet18", 1) == 3
    assert thread_share("other", 1000) == 1
