"""The kernel once more, compiled: the folder `kernel` imported under the name `toymodel.compiled`."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from . import kernel


@cache
def compiled() -> ModuleType:
    """`kernel.points` compiled by numba.  The first call on a machine compiles and caches; later ones load."""
    folder = Path(str(kernel.__file__)).parent
    name = f"{__package__}.compiled"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {folder}. Reinstall two-circuits.")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return importlib.import_module(f"{name}.points")
