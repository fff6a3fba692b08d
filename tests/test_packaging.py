"""What is installed: the wheel holds the two libraries and nothing that could collide with another package."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(python: Path | str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.run(
        [str(python), *arguments], cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git would hand out."""
    out = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
    done = run(sys.executable, "-m", "pip", "wheel", *options, str(ROOT), cwd=out)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment where the wheel was installed, beside the dependencies of this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    found = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home)
    site = Path(found.stdout.strip())
    target = ["--target", str(site), "--no-deps", "--no-index", "--quiet"]
    done = run(sys.executable, "-m", "pip", "install", *target, str(wheel), cwd=home)
    assert done.returncode == 0, done.stderr
    # A .pth file brings the dependencies and not what they bring: the checkout itself stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_two_typed_libraries_below_one_megabyte(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    info = f"two_circuits-{importlib.metadata.version('two-circuits')}.dist-info"
    assert {name.split("/")[0] for name in names} == {"toymodel", "realnet", info}
    assert {"toymodel/py.typed", "realnet/py.typed"} <= set(names)
    assert wheel.stat().st_size < 2**20


def test_what_was_installed_simulates_sweeps_and_answers_for_help(elsewhere: Path, tmp_path: Path) -> None:
    code = (
        "import sys, toymodel as tm\n"
        "print(tm.__file__)\n"
        "print(tm.simulate().behaviour, tm.sweep(kappa=[1.2, 1.5], t_end=2000).behaviour.values)"
    )
    done = run(elsewhere, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, said = done.stdout.split("\n", 1)
    assert not Path(where).is_relative_to(ROOT)
    assert said.split() == ["grokking", "['grokking'", "'grokking']"]
    done = run(elsewhere, "-m", "realnet", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_a_validate_of_another_package_is_not_ours(elsewhere: Path, tmp_path: Path) -> None:
    # configobj installs a module `validate`; it must be the one that is imported.
    other = tmp_path / "validate"
    other.mkdir()
    (other / "__init__.py").write_text("name = 'configobj'\n")
    code = "import toymodel, realnet, validate; print(validate.name)"
    assert run(elsewhere, "-c", code, cwd=tmp_path).stdout == "configobj\n"
    assert run(elsewhere, "-c", "import figures", cwd=tmp_path).returncode != 0


@pytest.mark.parametrize(
    "statement", ["tm.simulate().plot()", "tm.sweep(kappa=[1.2, 1.5], t_end=50.0)", "tm.steady_state()"]
)
def test_the_toy_model_needs_no_extra(statement: str) -> None:
    extras = ("torch", "netCDF4", "sympy", "tyro", "safetensors", "threadpoolctl", "doit")
    code = f"import sys\nfor name in {extras}: sys.modules[name] = None\nimport toymodel as tm\n{statement}"
    done = run(sys.executable, "-c", code, cwd=ROOT, MPLBACKEND="agg")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", ["realnet", "validate"])
def test_a_missing_extra_is_named_with_its_remedy(room: str, tmp_path: Path) -> None:
    (tmp_path / "tyro.py").write_text("raise ModuleNotFoundError('no tyro', name='tyro')\n")
    done = run(sys.executable, "-m", room, "list", cwd=ROOT, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    needs = f"python -m {room} needs tyro, which is not installed. Install it: pip install '.[realnet]' in a clone\n"
    assert done.stderr == needs


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("command", ["validate list", "figures list", "toymodel --help", "realnet --help"])
def test_a_reader_that_leaves_early_causes_no_traceback(command: str) -> None:
    end, closed = os.pipe()
    os.close(end)
    arguments = [sys.executable, "-u", "-m", *command.split()]
    done = subprocess.run(arguments, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    os.close(closed)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("room", ["toymodel", "realnet", "validate", "figures"])
def test_every_room_tells_its_version(room: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", room, "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [room, importlib.metadata.version("two-circuits")]


def test_the_source_distribution_holds_the_two_libraries_and_is_small(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as held:
        rooms = {name.split("/")[1] for name in held.getnames() if name.count("/") > 1}
    assert rooms == {"toymodel", "realnet"}
    assert made.stat().st_size < 1e6


@pytest.mark.parametrize(
    "command", [["validate", "list"], ["realnet", "--help"], ["toymodel", "--help"], ["figures", "list"]]
)
def test_a_terminal_without_greek_letters_shows_question_marks(command: list[str]) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout
    assert b"Traceback" not in done.stderr
