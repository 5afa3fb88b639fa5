"""What can be told of the images without Docker; `make test-image` builds the first of them."""

from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.image.dockerfile import matches, read_instructions

DOCKERFILES = sorted(ROOT.glob("Dockerfile.*"))


def last_stage(path: Path) -> list[tuple[str, str]]:
    found = list(read_instructions(path.read_text()))
    begin = max(number for number, (instruction, _) in enumerate(found) if instruction == "FROM")
    return found[begin:]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_is_pinned_without_rights_and_tells_its_health(path: Path) -> None:
    bases = [rest for instruction, rest in read_instructions(path.read_text()) if instruction == "ARG"]
    assert all(":" in base and not base.endswith(":latest") for base in bases)
    stage = last_stage(path)
    (user,) = [rest for instruction, rest in stage if instruction == "USER"]
    assert user.isdecimal()
    assert int(user) > 0
    (health,) = [rest for instruction, rest in stage if instruction == "HEALTHCHECK"]
    assert "/ping" in health
    assert stage[-1][0] in ("CMD", "ENTRYPOINT")


def test_every_file_that_is_copied_exists() -> None:
    for path in DOCKERFILES:
        for instruction, rest in read_instructions(path.read_text()):
            if instruction == "COPY" and not rest.startswith("--from"):
                assert all((ROOT / name).exists() for name in rest.split()[:-1])


def test_what_docker_ignores() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    def is_ignored(path: str) -> bool:
        return any(matches(path, Path(path).name, pattern) for pattern in ignored)

    assert is_ignored(".venv-train")
    assert is_ignored("model_store")
    assert is_ignored("marina/tune/__pycache__")
    assert not any(map(is_ignored, (".git", "handlers", "models/resnet18/weights.safetensors", "frontend/index.html")))


def test_compose_lets_nobody_but_the_front_be_reached() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert "ports" not in services["server"]
    assert services["front"]["ports"] == ["127.0.0.1:8000:8000"]
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
    for volume in services["front"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).is_file()
