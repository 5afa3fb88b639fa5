"""What the README says works as it says."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from marina.archive import build_archive
from marina.cli import app
from tests.conftest import ROOT
from tests.servers import RunningServer
from tests.tiny import write_tiny_model

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block_with(language: str, words: str) -> str:
    (found,) = [block for block in blocks(language) if words in block]
    return found


def run(script: str, server: RunningServer, folder: Path) -> str:
    """A block of the README, with its ports and paths made those of this server."""
    ports = server.state.ports
    script = script.replace("localhost:8000", f"127.0.0.1:{ports.door}").replace(
        "localhost:8081", f"127.0.0.1:{ports.management}"
    )
    script = script.replace(".venv/bin/marina status", f"{ROOT}/.venv/bin/marina status --port {ports.door}")
    script = script.replace("curl ", "curl -sS --fail ")
    return subprocess.check_output(["sh", "-euc", script], text=True, cwd=folder)


def test_every_way_to_ask_gives_the_same_answer(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models")
    printed = run(block_with("sh", "curl -T photo.jpg"), server, tmp_path)
    answers = re.findall(r"\{.*?\}", printed)
    assert len(answers) == 3
    assert len(set(answers)) == 1
    assert set(json.loads(answers[0])) == {"ant", "bee"}


def test_the_old_routes_take_a_text(server: RunningServer, tmp_path: Path) -> None:
    printed = run(block_with("sh", "localhost:8000/ner"), server, tmp_path)
    names, score = re.fullmatch(r"(\[.*\])(\{.*\})", printed.strip(), re.DOTALL).groups()  # type: ignore[union-attr]
    assert [entity["word"] for entity in json.loads(names)] == ["George Washington", "United States"]
    assert json.loads(score)["truncated"] is False


def test_the_management_api_scales_by_hand(server: RunningServer, tmp_path: Path) -> None:
    run(block_with("sh", "Authorization: Bearer"), server, tmp_path)
    assert server.management.count_workers("resnet18").ready == 2
    server.management.scale("resnet18", 1, 60)


def test_the_model_of_the_readme_can_be_added(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "colours")
    (tmp_path / "colours/model-config.yaml").write_text(block_with("yaml", "Colours"))
    _, answers = build_archive(tmp_path / "colours", tmp_path)
    assert next(iter(json.loads(answers[0][1]))) == "red"


def test_the_task_of_the_readme_can_be_added(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "colours")
    (tmp_path / "colours/brightness.py").write_text(block_with("python", "Brightness"))
    config = yaml.safe_load(block_with("yaml", "Colours"))
    config["handler"]["task"] = "brightness:Brightness"
    (tmp_path / "colours/model-config.yaml").write_text(yaml.safe_dump(config))
    _, answers = build_archive(tmp_path / "colours", tmp_path)
    assert json.loads(answers[0][1]) == {"brightness": pytest.approx(0.353, abs=0.01)}


@pytest.mark.parametrize("command", [each.name or each.callback.__name__ for each in app.registered_commands])
def test_every_command_is_told(command: str) -> None:
    assert f"`{command}`" in README or f"marina {command}" in README


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_knows_what_the_readme_asks_of_it() -> None:
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
    assert {"serve", "test", "bench"} <= targets
