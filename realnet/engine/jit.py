"""Compilation with a cache that knows every source it was made from.

Numba's own cache looks at the file of the function alone. Code compiled from constants and array layouts of another
file would outlive their change: wrong gradients, then a crash. Here the cache's folder is named by a digest of the file
and of all files of this package that it imports, directly or not. It lies where nobody else can put files: what is in it
is executed. Where there is no such place, each process compiles for itself.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
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
def _folder(file: Path, chosen: str) -> str | None:
    """Where code from `file` is kept: in the folder that the user has chosen, or one of one's own; None: nowhere."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources(file))).hexdigest()[:16]
    place = Path(chosen) if chosen else next(_places(file.parent), None)
    return None if place is None else str(place / f"{PACKAGE.name}-{digest}")


def _places(room: Path) -> Iterator[Path]:
    """Folders that this user can write to and others cannot; beside the sources whoever can may change these too."""
    beside = room / "__pycache__"
    if os.access(beside if beside.exists() else room, os.W_OK):
        yield beside
    home = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for place in (Path(home), Path(tempfile.gettempdir()) / f"{PACKAGE.name}-cache-{user}"):
        if place.is_absolute() and _private(place):
            yield place


def _private(place: Path) -> bool:
    """Whether `place` is a folder of this user's, made if need be, in which nobody else can write."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(place)  # a link may lead anywhere
    except OSError:
        return False
    own = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return stat.S_ISDIR(found.st_mode) and own and os.access(place, os.W_OK)


@functools.cache
def _say_nowhere() -> None:
    warnings.warn(
        "compiled code must be kept in a folder that is this user's alone, and there is none; each process compiles for "
        "itself, half a minute. Set HOME or NUMBA_CACHE_DIR to such a folder.",
        stacklevel=4,
    )


def inlined(function: Callable[..., Any]) -> Any:
    """`function` as a part of each compiled function that calls it, with no machine code of its own.

    A symbol that several compiled functions carry is taken from whichever was loaded first, and each was optimised in
    its own surroundings: sums would then round in another order in the process that compiles than in one that loads.
    """
    return numba.njit(inline="always", nogil=True, fastmath=FAST, error_model="numpy")(function)


def jit(function: Callable[..., Any]) -> Any:
    """`function` compiled on its first call, without Python's lock, and cached on disk."""
    chosen = settings.CACHE_DIR
    folder = _folder(Path(function.__code__.co_filename), chosen)
    if folder is None:
        _say_nowhere()
    settings.CACHE_DIR = folder or chosen
    try:
        return numba.njit(nogil=True, cache=folder is not None, fastmath=FAST, error_model="numpy")(function)
    finally:
        settings.CACHE_DIR = chosen
