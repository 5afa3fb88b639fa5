"""The peers' measurements do what they say, even where no peer is installed; how fast anything is, no test asks."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import peer_servers, users
from benchmarks.dialects import BOUNDARY, as_form
from benchmarks.peer_runs import Plan, choose, compare_answers, measure_peers, point_of
from benchmarks.peer_servers import PEERS, NotStartedError, Setting, describe_place
from benchmarks.plots import plot_peers
from benchmarks.resumable import SAME, Results
from marina.archive import build_archive
from tests.conftest import ROOT

ENGINES = ("onnxruntime", "openvino", "pillow")
COMMON = {"run": "2026-01-01T00:00:00Z", **dict.fromkeys(SAME, "the same")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """The archive of ResNet18, and what it answers to its own samples."""
    store = tmp_path_factory.mktemp("store")
    return build_archive(ROOT / "models/resnet18", store, "float32", "onnxruntime")


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("cores", [1, 2, 4, 16])
def test_a_grid_is_small_and_has_no_more_threads_than_cores(peer: peer_servers.Peer, cores: int) -> None:
    points = peer.grid(cores)
    assert len(set(points)) == len(points) <= peer_servers.MOST_POINTS
    assert all(1 <= point.workers * point.threads <= cores for point in points)
    assert {(cores, 1), (1, cores)} <= {(point.workers, point.threads) for point in points}


@pytest.mark.parametrize("environment", sorted(path.stem for path in (ROOT / "requirements/peers").glob("*.in")))
def test_every_peer_is_locked_with_the_engines_that_marina_has(environment: str) -> None:
    theirs, ours = pins(ROOT / f"requirements/peers/{environment}.txt"), pins(ROOT / "requirements/serve.txt")
    assert {name: theirs[name] for name in ENGINES} == {name: ours[name] for name in ENGINES}
    assert "torch" not in theirs
    assert f"peers/{environment}" in (ROOT / "scripts/lock").read_text()
    peer = next(peer for peer in PEERS if peer.name == environment)
    assert peer.version() == f"{peer.package} {theirs[peer.package]}"


def test_the_fastest_point_wins_that_failed_nobody() -> None:
    fields = ("workers", "threads", "batch_size", "delay_ms", "requests_per_s", "failed")
    measured = [("1", "2", "8", "1", "90", "0"), ("2", "1", "8", "1", "100.5", "0"), ("2", "1", "1", "0", "200", "1")]
    rows = [dict(zip(fields, each, strict=True)) for each in measured]
    assert choose(rows) == point_of(rows[1]) == Setting(2, 1, 8, 1)
    with pytest.raises(NotStartedError, match="none of its settings"):
        choose(rows[2:])


def test_other_answers_are_told_from_the_same() -> None:
    expected = {"bee.jpg": {"bee": 0.9, "ant": 0.1}}
    assert compare_answers({"bee.jpg": {"ant": 0.1, "bee": 0.9}}, expected) == 0
    assert compare_answers({"bee.jpg": {"bee": 0.8, "ant": 0.2}}, expected) == pytest.approx(0.1)
    assert compare_answers({"bee.jpg": {"bee": 0.9}}, expected) == 1
    assert compare_answers({}, expected) == 1


def test_a_form_holds_the_picture_untouched() -> None:
    picture = bytes(range(256))
    head, _, rest = as_form(picture).partition(b"\r\n\r\n")
    assert b'name="pictures"' in head
    assert rest == picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def test_a_run_is_resumed_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with pytest.raises(ValueError, match="no run to be resumed"):
        Results(path, COMMON, resume=True)
    first = Results(path, COMMON, resume=False)
    first.add("grid", {"server": "fastapi", "workers": 2})
    first.add("round", {"server": "marina", "round": 1})
    again = Results(path, COMMON | {"run": "2026-01-02T00:00:00Z"}, resume=True)
    assert [row["workers"] for row in again.of_this_run("grid", "fastapi")] == ["2"]
    assert [row["round"] for row in again.of_this_run("round")] == ["1"]
    assert Results(path, COMMON | {"run": "2026-01-02T00:00:00Z"}, resume=False).of_this_run("round") == []
    with pytest.raises(ValueError, match="another commit"):
        Results(path, COMMON | {"commit": "another"}, resume=True)


def test_peers_answer_with_the_archive_s_own_code(built: tuple[Path, list[tuple[str, str]]], tmp_path: Path) -> None:
    """What all of them share, in MMS's handler, which needs nothing of MMS to be called."""
    archive, answers = built
    subprocess.run([sys.executable, "-m", "zipfile", "-e", archive, tmp_path / "archive"], check=True)
    code = (
        "import handlers, pathlib, sys\n"
        "from benchmarks.peers.pictures.with_mms import handle\n"
        "print(handlers.__file__)\n"
        "for path in sys.argv[1:]: print(handle([{'body': pathlib.Path(path).read_bytes()}] * 2, None)[1].decode())\n"
    )
    place = peer_servers.Place(tmp_path / "archive", Path(), tmp_path)
    samples = sorted((tmp_path / "archive/samples").iterdir())
    environment = os.environ | describe_place(Setting(1, 2, 2, 1), place, 0)
    printed = subprocess.check_output(
        [sys.executable, "-c", code, *samples], cwd=tmp_path, env=environment, text=True
    ).splitlines()
    assert Path(printed[0]).is_relative_to(tmp_path / "archive")
    expected = {name: json.loads(answer) for name, answer in answers}
    found = {path.name: json.loads(line) for path, line in zip(samples, printed[1:], strict=True)}
    assert compare_answers(found, expected) < 1e-3


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second where a measurement takes many, and a checkout without the peers' environments."""
    for name in ("RAMP_S", "WARM_UP_S"):
        monkeypatch.setattr(users, name, 1)
    monkeypatch.setattr(peer_servers, "ROOT", tmp_path)
    for name in ("peers/fastapi.txt", "train.txt"):
        target = tmp_path / "requirements" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((ROOT / "requirements" / name).read_text())


@pytest.mark.usefixtures("hurried")
def test_who_is_not_installed_is_left_out_and_what_was_measured_is_kept(
    built: tuple[Path, list[tuple[str, str]]], tmp_path: Path
) -> None:
    told: list[str] = []
    results = tmp_path / "peers.csv"
    plan = Plan(("fastapi",), rounds=1, seconds=2, requests=100, store=built[0].parent)
    rows = measure_peers(plan, results, told.append)
    assert [(row["server"], row["driver"], row["round"]) for row in rows] == [
        ("marina", "ab", "1"),
        ("marina", "locust", "1"),
    ]
    assert all(int(row["requests"]) and row["failed"] == "0" and float(row["pss_mb"]) > 0 for row in rows)
    assert "fastapi is left out: it is not installed: make .venv-peers/fastapi/installed" in told

    results.write_text("".join(results.read_text().splitlines(keepends=True)[:-1]))
    again = measure_peers(Plan(plan.only, 1, 2, 100, store=plan.store, resume=True), results, told.append)
    assert again[0] == rows[0]
    assert again[1]["driver"] == "locust"
    assert len({row["run"] for row in again}) == 1

    plot_peers(again, tmp_path / "plots/once.svg")
    plot_peers(again, tmp_path / "plots/twice.svg")
    assert (tmp_path / "plots/once.svg").read_bytes() == (tmp_path / "plots/twice.svg").read_bytes()
    text = (tmp_path / "plots/once.svg").read_text()
    assert "marina" in text
    assert "dc:date" not in text


def test_an_unknown_peer_is_named() -> None:
    with pytest.raises(ValueError, match="no peer is called nobody; there are: fastapi, litserve"):
        Plan(("nobody",)).peers()
