"""Data that packages bring along: read from where pip put them, never copied."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from realnet.fields import ConfigError

__all__ = ["damaged", "package_file"]


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


def damaged(path: Path, problem: object) -> ConfigError:
    """The error for a data file that cannot be what it should be."""
    return ConfigError(f"{path} must be a whole data file; received {str(problem)!r}. Install or download it again.")
