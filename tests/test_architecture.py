"""Who may import whom, and how files open."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import toymodel as tm

ROOT = Path(__file__).parent.parent
ROOMS = ("toymodel", "realnet", "validate", "figures")
FORBIDDEN = {
    "toymodel": {"torch", "realnet", "validate", "figures"},
    "realnet": {"toymodel", "validate", "figures"},
    "validate": {"figures"},
    "figures": {"torch", "realnet"},
}


def imports(path: Path) -> set[str]:
    """Top-level names of the packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not imports(path) & FORBIDDEN[room], path


def needs(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules of the project that a module imports, also inside its functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            stem = ".".join(filter(None, (above, node.module)))
            found |= {stem, *(f"{stem}.{alias.name}" for alias in node.names)}
    # A package's own parts may come to it as they like.
    return {n for n in found & modules.keys() if n != name and not name.startswith(f"{n}.")}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_make_no_circle(room: str) -> None:
    paths = (ROOT / room).rglob("*.py")
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}
    left = {name: needs(name, path, modules) for name, path in modules.items()}
    while ground := {name for name, above in left.items() if not above & left.keys()}:
        left = {name: above for name, above in left.items() if name not in ground}
    assert not left


def test_the_toy_model_is_there_to_be_checked() -> None:
    assert len(list((ROOT / "toymodel").rglob("*.py"))) > 20
    assert Path(tm.__file__).parent == ROOT / "toymodel"


def test_importing_the_toy_model_loads_nothing_heavy() -> None:
    heavy = ["torch", "numba", "xarray", "scipy", "matplotlib", "sympy", "netCDF4", "tqdm"]
    code = f"import sys, toymodel; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_simulation_loads_nothing_heavy() -> None:
    heavy = ["torch", "numba", "xarray", "matplotlib", "sympy", "netCDF4"]
    code = f"import sys, toymodel; print(toymodel.simulate().behaviour, [m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "grokking []"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "toymodel").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_every_file_opens_with_what_it_holds(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", tm.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(tm, name)
    if not callable(thing):
        return
    # A dataclass without a docstring gets its signature for one.
    assert inspect.getdoc(thing)
    assert not thing.__doc__.startswith(f"{name}(")
    if inspect.isclass(thing):
        for part, value in vars(thing).items():
            if not part.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{name}.{part}"


PUBLIC = """
BEHAVIOURS Circuit CircuitFit Criteria EfficiencyLaw MEANINGS MarginFit PowerLaw StabilityLimits State SteadyState
TabulatedLaw TimeEstimate Trajectory TwoCircuitModel __version__ classify_curves critical_dataset_size
critical_size_from_margins fit_circuits grokking_time plot_map rest_logit sharpness simulate size_thresholds
stability_limits steady_ratio steady_state sweep ungrokking_time
"""


def test_the_public_names_are_frozen() -> None:
    assert dir(tm) == sorted(PUBLIC.split())
    for name in dir(tm):
        assert hasattr(tm, name)
    with pytest.raises(AttributeError, match="no attribute 'kernel_panic'"):
        _ = tm.kernel_panic


@pytest.mark.parametrize(
    "path",
    sorted(p for p in (ROOT / "toymodel").glob("*.py") if p.stem not in ("__init__", "__main__")),
    ids=lambda p: p.stem,
)
def test_every_public_function_of_a_module_has_a_docstring(path: Path) -> None:
    module = importlib.import_module(f"toymodel.{path.stem}")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{module.__name__}.{node.name}"


def test_no_file_cites_a_document_that_is_not_here() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    here = {Path(name).name for name in tracked}
    for name in tracked:
        if name.endswith((".py", ".md", ".toml")):
            cited = re.findall(r"[\w-]+\.md\b", (ROOT / name).read_text(encoding="utf-8"))
            assert {c for c in cited if c not in here} <= set(), name
