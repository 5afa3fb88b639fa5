"""Who may import whom, and in which Python."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

HANDLERS = sorted((ROOT / "handlers").glob("*.py"))
# What each folder may import at the top of a file, beside the standard library and itself.
ALLOWED = {
    "handlers": {"numpy", "PIL"},
    "benchmarks": {"httpx", "psutil", "rich", "typer", "matplotlib"},
}
# Attacks also make hostile pictures, ask an archive in process, and take the tests' hostile archives by name.
ALLOWED_IN_ATTACKS = ALLOWED["benchmarks"] | {"PIL"}
MARINA_IN_ATTACKS = {"marina", "marina.bodies", "marina.traffic"}
# What a handler may import inside the function that needs it.
INSIDE_FUNCTIONS = {"torch", "torcheia", "onnxruntime", "openvino", "tokenizers"}
# What benchmarks may take of the tool: its load, settings and archives with other ones. All else they ask over HTTP.
MARINA_IN_BENCHMARKS = {
    "marina.bodies", "marina.connection", "marina.traffic", "marina.settings_text", "marina.tune.settings",
}  # fmt: skip
NEVER_IN_HANDLERS = {"ts", "mms", "ray", "marina", "models"}


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Every import of a file: the top-level package, and whether it stands at the top of the file."""
    yield from ((module.partition(".")[0], at_top) for module, at_top in modules(tree))


def modules(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """The same with the modules' whole names."""
    top = set(ast.iter_child_nodes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module), node in top


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.name)
def test_handlers_keep_to_python_3_6_and_their_imports(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    for package, at_top in imports(tree):
        assert package not in NEVER_IN_HANDLERS
        if at_top:
            assert package in ALLOWED["handlers"] | {"handlers"} | sys.stdlib_module_names
        else:
            assert package in INSIDE_FUNCTIONS | ALLOWED["handlers"] | sys.stdlib_module_names


# Not the peers: each runs inside the server that it is about.
@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "benchmarks/report").glob("*.py"))],
    ids=lambda path: path.name,
)
def test_benchmarks_speak_http_and_take_only_load_and_settings_of_the_tool(path: Path) -> None:
    for module, _ in modules(ast.parse(path.read_text())):
        package = module.partition(".")[0]
        if package == "marina":
            assert module in MARINA_IN_BENCHMARKS
        else:
            assert package in ALLOWED["benchmarks"] | {"benchmarks"} | sys.stdlib_module_names


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/attack").rglob("*.py")), ids=lambda path: path.name)
def test_attacks_take_no_more_of_the_tool_than_its_users_do(path: Path) -> None:
    for module, _ in modules(ast.parse(path.read_text())):
        package = module.partition(".")[0]
        if package == "marina":
            assert module in MARINA_IN_ATTACKS
        else:
            assert package in ALLOWED_IN_ATTACKS | {"benchmarks"} | sys.stdlib_module_names


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("**/*.py")), ids=lambda path: path.name)
def test_models_do_not_need_the_tool(path: Path) -> None:
    assert "marina" not in {package for package, _ in imports(ast.parse(path.read_text()))}


def test_the_page_asks_nobody_else_and_text_is_never_markup() -> None:
    for path in sorted((ROOT / "frontend").rglob("*")):
        if ROOT / "frontend" / "vendor" in path.parents:
            continue  # its own test holds it to the bytes that were released
        if path.suffix in (".html", ".css"):
            assert "http" not in path.read_text()
            assert " style=" not in path.read_text()
        if path.suffix == ".js":
            assert not any(unsafe in path.read_text() for unsafe in ("innerHTML", "insertAdjacentHTML", "eval("))
