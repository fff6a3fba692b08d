"""Which figures there are, and what each is made from: read from their text, nothing is imported to list or compare."""

import ast
import difflib
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .paths import HERE, PROFILE, Paths

# Changes in these change no picture.
SILENT = {"__main__", "__init__", "catalogue", "tasks", "paths"}


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=file.name)


def _is_figure(file: Path) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "draw" for node in _parse(file).body)


def names(paths: Paths) -> list[str]:
    """Names of all figures: the files with a function `draw`."""
    return sorted(file.stem for file in paths.source.glob("*.py") if _is_figure(file))


def title(paths: Paths, name: str) -> str:
    """First line of the figure's docstring."""
    return (ast.get_docstring(_parse(paths.source / f"{name}.py")) or "").partition("\n")[0]


def data_files(paths: Paths, name: str) -> dict[Path, str]:
    """Saved results that the figure reads, each with the command that makes it: its constant DATA, {file: command}.

    A file under "validate/{profile}/" is that of the profile shown.
    """
    for node in _parse(paths.source / f"{name}.py").body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "DATA" for t in node.targets):
            table: dict[str, Any] = ast.literal_eval(node.value)
            return {paths.data / file.format(profile=PROFILE): str(command) for file, command in table.items()}
    return {}


def chosen(paths: Paths, wanted: Iterable[str]) -> list[str]:
    """`wanted`, or all names where nothing is asked for.  ValueError for a name that is no figure."""
    known, asked = names(paths), list(dict.fromkeys(wanted))
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"figure must be one of {', '.join(known)}; got {name!r}.{hint}")
    return asked or known


def _imported(file: Path) -> set[str]:
    """Modules of this package that `file` imports: `from .x import y`, `from . import x`, and the same in full."""
    found: set[str] = set()
    for node in ast.walk(_parse(file)):
        if not isinstance(node, ast.ImportFrom):
            continue
        path = (node.module or "").split(".")
        if node.level == 1:
            found |= {path[0]} if path[0] else {alias.name for alias in node.names}
        elif node.level == 0 and path[0] == "figures":
            found |= {path[1]} if len(path) > 1 else {alias.name for alias in node.names}
    return found


def inputs(paths: Paths, name: str) -> list[Path]:
    """All files that figure `name` is made from: itself, what it shares with others, style, toymodel, data."""
    files, waiting = set(), {name, "render"}
    while waiting:
        module = waiting.pop()
        file = paths.source / f"{module}.py"
        file = file if file.exists() else HERE / f"{module}.py"
        if module not in SILENT and file.exists() and file not in files:
            files.add(file)
            waiting |= _imported(file)
    return sorted({*files, paths.style, *paths.model.rglob("*.py"), *data_files(paths, name)})


def fingerprint(paths: Paths, name: str) -> str:
    """Hash of the content of all inputs; dates play no part."""
    digest = hashlib.sha256()
    for file in inputs(paths, name):
        digest.update(file.name.encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest() if file.exists() else b"missing")
    return digest.hexdigest()
