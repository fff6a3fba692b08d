"""toymodel/README.md: its examples run, its equations are those that the code cites, and what it names exists."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

import toymodel as tm

ROOM = Path(tm.__file__).parent
README = (ROOM / "README.md").read_text(encoding="utf-8")
FILES = sorted([*ROOM.glob("*.py"), *ROOM.glob("kernel/*.py")])


def test_every_example_runs_as_printed() -> None:
    failed, tried = doctest.testfile(str(ROOM / "README.md"), module_relative=False, encoding="utf-8")
    assert failed == 0
    assert tried > 20


def test_equations_that_the_code_cites_are_there() -> None:
    there = set(re.findall(r"\((\d\.\d+)\)", README))
    assert len(there) > 30
    tests = [*ROOM.parent.glob("tests/test_toymodel_*.py"), *ROOM.parent.glob("tests/test_laws_*.py")]
    for path in (*FILES, *tests):
        text = path.read_text(encoding="utf-8")
        cited = set(re.findall(r"(?<!\w)\(([1-9]\.[1-9]\d*)\)|README (?:\()?(\d\.\d+)", text))
        assert {x for pair in cited for x in pair if x} <= there, path
        # Split, so that this file does not name it.
        assert "model" + ".md" not in text, path


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:flow|losses|engine|equilibrium|rest|kernel)\.[a-z_.]+)`", README)))
)
def test_functions_that_it_names_exist(name: str) -> None:
    module, function = name.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(f"toymodel.{module}"), function))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`tm\.([a-z_]+)", README))))
def test_public_names_that_it_uses_exist(name: str) -> None:
    assert name in dir(tm)


def test_no_import_circle() -> None:
    """Files sorted by who imports whom, imports within functions included."""
    needs: dict[str, set[str]] = {}
    for path in FILES:
        package = "kernel." if path.parent.name == "kernel" else ""
        here = package + path.stem
        needs[here] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                stem = node.module or ""
                for name in (stem, *(f"{stem}.{alias.name}".strip(".") for alias in node.names)):
                    needs[here].add(package + name if node.level == 1 else name)
    names = set(needs) - {"__init__", "__main__", "kernel.__init__"}
    while names:
        free = {name for name in names if not needs[name] & (names - {name})}
        assert free, f"a circle within {sorted(names)}"
        names -= free
