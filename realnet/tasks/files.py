"""Data that packages bring along, read from where pip put them and never copied; or a folder of the full data."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from realnet.fields import ConfigError

__all__ = ["FULL_DATA", "damaged", "folder_file", "package_file"]

FULL_DATA = {
    "mnist": ("mnist_folder", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
              "t10k-labels-idx1-ubyte"),
    "reviews": ("imdb_folder", "IMDB Dataset.csv"),
    "molecules": ("qm9_folder", "gdb9.sdf", "gdb9.sdf.csv"),
}  # fmt: skip
"""By task: the option that names a folder of full data, and the files in it"""


def package_file(package: str, distribution: str, *parts: str) -> Path:
    """The file `parts` inside an installed package, which is not imported. Errors: ConfigError, naming the command."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    command = f"Run: python -m pip install {distribution} (or all data: pip install 'two-circuits[data]')."
    if not folders:
        raise ConfigError(f"this task needs the package {distribution}; received 'not installed'. {command}")
    path = Path(folders[0]).joinpath(*parts)
    if not path.is_file():
        raise ConfigError(f"{distribution} must hold {path}; received 'no such file'. {command}")
    return path


def folder_file(task: str, folder: str, name: str, endings: tuple[str, ...] = ("",)) -> Path:
    """The file `name`, with one of the endings, of the folder of a task's full data. Errors: ConfigError."""
    for ending in endings if isinstance(folder, str) else ():
        if (path := Path(folder) / f"{name}{ending}").is_file():
            return path
    option = FULL_DATA[task][0]
    remedy = f"Put it there, or leave {option} out for the data that pip brings."
    raise ConfigError(f"{option} must hold {name}; received {folder!r}. {remedy}")


def damaged(path: Path, problem: object) -> ConfigError:
    """The error for a data file that cannot be what it should be."""
    return ConfigError(f"{path} must be a whole data file; received {str(problem)!r}. Install or download it again.")
