"""Compilation with a cache that knows every source it was made from.

Numba's own cache looks at the file of the function alone. Code compiled from constants and array layouts of another
file would outlive their change: wrong gradients, then a crash. Here the cache's folder is named by a digest of the file
and of all files of this package that it imports, directly or not.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

__all__ = ["inlined", "jit", "sources"]

# Reassociation lets sums run in vector lanes; NaN and infinity keep their meaning: divergence is seen.
FAST = {"reassoc", "contract", "nsz"}
PACKAGE = Path(__file__).parent.parent
settings: Any = numba.config


def sources(file: Path) -> list[Path]:
    """`file` and the files of this package that it imports, sorted."""
    found, ahead = set[Path](), [file]
    while ahead:
        path = ahead.pop()
        if path in found:
            continue
        found.add(path)
        for module in re.findall(rf"(?m)^(?:from|import) {PACKAGE.name}\.([\w.]+)", path.read_text()):
            part = PACKAGE.joinpath(*module.split("."))
            ahead += [p for p in (part.with_suffix(".py"), part / "__init__.py") if p.exists()]
    return sorted(found)


@functools.cache
def _folder(file: Path, chosen: str) -> str:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources(file))).hexdigest()[:16]
    beside = file.parent / "__pycache__"
    if not chosen and not os.access(beside if beside.exists() else file.parent, os.W_OK):
        chosen = str(Path.home() / ".cache")
    return str(Path(chosen or beside) / f"{PACKAGE.name}-{digest}")


def inlined(function: Callable[..., Any]) -> Any:
    """`function` as a part of each compiled function that calls it, with no machine code of its own.

    A symbol that several compiled functions carry is taken from whichever was loaded first, and each was optimised in
    its own surroundings: sums would then round in another order in the process that compiles than in one that loads.
    """
    return numba.njit(inline="always", nogil=True, fastmath=FAST, error_model="numpy")(function)


def jit(function: Callable[..., Any]) -> Any:
    """`function` compiled on its first call, without Python's lock, and cached on disk."""
    chosen = settings.CACHE_DIR
    settings.CACHE_DIR = _folder(Path(function.__code__.co_filename), chosen)
    try:
        return numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")(function)
    finally:
        settings.CACHE_DIR = chosen
