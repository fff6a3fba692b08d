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
