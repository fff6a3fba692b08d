"""The kernel once more, compiled: the folder `kernel` imported under the name `toymodel.compiled`.

numba's own cache looks only at the file of the function that it loads, and the kernel's functions call each other across
files.  So the text is copied to a cache folder that is named by a hash of all of it, and numba caches there: an edited
kernel can never meet code that was compiled from another one.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from types import ModuleType

from .. import kernel


@cache
def available() -> bool:
    """Whether there is a numba to compile with; without it everything runs plainly, in the same text."""
    return importlib.util.find_spec("numba") is not None


def cache_folder() -> Path:
    """Where this kernel's compiled code lives: $XDG_CACHE_HOME or ~/.cache, else the temporary folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(str(kernel.__file__)).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    for home in (os.environ.get("XDG_CACHE_HOME"), Path.home() / ".cache", tempfile.gettempdir()):
        if home:
            folder = Path(home) / "two-circuits" / digest.hexdigest()[:16]
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                if not folder.exists():
                    _copy(folder)
                return folder
            except OSError:
                continue
    raise OSError("no folder for compiled code can be written to. Set XDG_CACHE_HOME to one that can.")


def _copy(folder: Path) -> None:
    """Copies the kernel's text there, whole or not at all: another process may be doing the same."""
    print("toymodel: compiling the sweep's kernel, once on this machine; about 20 seconds", file=sys.stderr)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        shutil.copytree(
            Path(str(kernel.__file__)).parent, scratch / "kernel", ignore=shutil.ignore_patterns("__pycache__")
        )
        try:
            (scratch / "kernel").rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_one_at_a_time = threading.Lock()


def compiled() -> ModuleType:
    """`kernel.points` compiled by numba.  The first call on a machine compiles and caches; later ones load."""
    name = f"{kernel.__name__.removesuffix('.kernel')}.compiled"
    with _one_at_a_time:
        if name not in sys.modules:
            folder = cache_folder()
            spec = importlib.util.spec_from_file_location(
                name, folder / "__init__.py", submodule_search_locations=[str(folder)]
            )
            if spec is None or spec.loader is None:
                raise ImportError(f"cannot load {folder}. Delete it and try again.")
            package = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(package)
            sys.modules[name] = package
        return importlib.import_module(f"{name}.points")
