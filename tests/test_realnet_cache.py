"""Compiled code is as new as the sources it was made from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import realnet.engine.compiled as compiled
import realnet.engine.jit as jit
from tests.compiled import first_bits

ROOT = Path(__file__).parent.parent


def test_a_change_in_a_file_that_a_kernel_imports_is_seen(tmp_path: Path) -> None:
    room = tmp_path / "package" / "engine"
    room.mkdir(parents=True)
    shutil.copy(jit.__file__, room / "jit.py")
    kernel = "from package.engine.jit import jit\nfrom package.engine.layout import SIZE\n"
    (room / "kernel.py").write_text(kernel + "@jit\ndef size():\n    return SIZE\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for size in (3, 4, 3):
        (room / "layout.py").write_text(f"SIZE = {size}\n")
        os.utime(room / "layout.py", (1, 1))
        code = "from package.engine.kernel import size; print(size(), sum(size.stats.cache_hits.values()))"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        seen = done.stdout.split()
        assert seen[0] == str(size)
    assert seen[1] == "1"  # back to a known state: nothing is compiled again


def test_code_that_was_just_compiled_and_code_from_the_cache_give_the_same_bits() -> None:
    if not first_bits().exists():
        pytest.skip("what was just compiled is noted by `python -m tests.compiled` with an empty cache")
    code = "from tests.compiled import bits; print(bits())"
    seen = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(seen) > 8000
    assert seen.strip() == first_bits().read_text()


def test_every_source_of_the_compiled_path_counts() -> None:
    found = {path.name for path in jit.sources(Path(compiled.__file__))}
    assert {"compiled.py", "buffers.py", "softmax.py", "products.py", "jit.py"} <= found


def test_the_callers_cache_stays_where_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    jit.jit(lambda: 1)
    assert str(tmp_path) == numba.config.CACHE_DIR


def package(tmp_path: Path) -> Path:
    """A package with one compiled function, installed where nobody can write."""
    room = tmp_path / "package" / "engine"
    room.mkdir(parents=True)
    shutil.copy(jit.__file__, room / "jit.py")
    (room / "kernel.py").write_text(
        "from package.engine.jit import jit\n@jit\ndef three():\n    return 3\n@jit\ndef four():\n    return 4\n"
    )
    return room


@pytest.mark.parametrize("home", ["/", None, "nowhere", "private"])
@pytest.mark.parametrize("squatted", [False, True])
def test_without_a_writable_home_compiled_code_is_kept_in_private_or_nowhere(
    tmp_path: Path, home: str | None, squatted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as a user who may write nowhere but in a temporary folder, where another has put a folder of ours before."""
    package(tmp_path)
    shared = tmp_path / "shared"
    shared.mkdir()
    place = shared / f"package-cache-{os.getuid()}"
    if squatted:
        place.mkdir()
        place.chmod(0o777)
    kept = tmp_path / "home"
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    environment |= {"PYTHONPATH": str(tmp_path), "TMPDIR": str(shared), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"HOME": str(kept) if home == "private" else home} if home else {}
    # As root everything can be written to: what the tests' user may not is denied here.
    code = f"""
import os, pathlib, warnings
allowed = [{str(shared)!r}, {str(kept)!r}]
may = lambda p: any(str(p).startswith(a) for a in allowed)
access, mkdir = os.access, pathlib.Path.mkdir
os.access = lambda p, mode: may(p) and access(p, mode)
def made(self, *a, **k):
    if not may(self) and not self.exists():
        raise PermissionError(13, 'Permission denied')
    return mkdir(self, *a, **k)
pathlib.Path.mkdir = made
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter('always')
    from package.engine.kernel import four, three
told = [str(w.message) for w in said if 'this user' in str(w.message)]
print(three() + four(), len(told), three.stats.cache_path)
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    value, told, where = done.stdout.split()
    assert value == "7"
    expected = kept / ".cache" if home == "private" else place
    if home != "private" and squatted:
        assert (told, where) == ("1", "None")
        assert list(place.iterdir()) == []
    else:
        assert told == "0"
        assert where.startswith(str(expected))
        assert expected.stat().st_mode & 0o077 == 0


def test_a_link_in_the_place_of_a_private_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    assert not jit._private(tmp_path / "ours")
    assert jit._private(tmp_path / "new")
    (tmp_path / "new").chmod(0o770)
    assert not jit._private(tmp_path / "new")
