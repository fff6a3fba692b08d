"""Which figures there are, and what each is made from: read from their text, nothing is imported to list or compare."""

import ast
import difflib
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from .paths import HERE, Paths

# Changes in these change no picture.
SILENT = {
    HERE / f"{name}.py" for name in ("__main__", "__init__", "catalogue", "tasks", "paths", "readme", "page/__init__")
}
# The gallery's order: the paper's figures 1 to 8 and its appendix, then what goes beyond it.
ORDER = [
    "hero", "laws", "behaviours", "three_ingredients", "phase_efficiency_speed", "efficiency", "ungrokking_toy",
    "ungrokking", "semi_grokking", "long_run", "staircase", "thresholds_gap", "other_tasks", "circuits_over_time",
    "quantitative", "large_start", "scorecard", "kappa_and_settings", "escape", "times",
    "grokking_time_weight_decay", "hysteresis_gap_time", "phase_weight_decay_dataset_size",
    "phase_kappa_dataset_size", "sharpness_kappa", "landscapes", "free_runs", "lu_forecast", "norm_or_scale",
    "digits", "theories",
]  # fmt: skip


def _parse(file: Path) -> ast.Module:
    return _parsed(file.read_text(encoding="utf-8"), file.name)


@lru_cache(maxsize=256)
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, filename=name)


def _figures(paths: Paths) -> dict[str, Path]:
    """Each figure's file: those with a function `draw`, in the gallery's order."""
    found = {
        file.stem: file
        for file in sorted(paths.source.rglob("*.py"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "draw" for node in _parse(file).body)
    }
    place = {name: k for k, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda name: (place.get(name, len(ORDER)), name))}


def names(paths: Paths) -> list[str]:
    """Names of all figures, in the gallery's order."""
    return list(_figures(paths))


def source(paths: Paths, name: str) -> Path:
    """The figure's file."""
    return _figures(paths)[name]


def title(paths: Paths, name: str) -> str:
    """First line of the figure's docstring: what it claims."""
    return (ast.get_docstring(_parse(source(paths, name))) or "").partition("\n")[0]


def _constant(file: Path, name: str) -> tuple[str, ...]:
    for node in _parse(file).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return tuple(ast.literal_eval(node.value))
    return ()


def needs(paths: Paths, name: str) -> list[Path]:
    """Saved results without which the figure cannot be drawn: its constant DATA."""
    return [paths.saved(file) for file in _constant(source(paths, name), "DATA")]


def reads(paths: Paths, name: str) -> list[Path]:
    """All saved results that the figure reads: DATA, and ALSO, which it shows where they are there; * stands for any."""
    also = _constant(source(paths, name), "ALSO")
    found = [sorted(paths.data.glob(file)) if "*" in file else [paths.saved(file)] for file in also]
    return list(dict.fromkeys(needs(paths, name) + [file for files in found for file in files]))


def chosen(paths: Paths, wanted: Iterable[str]) -> list[str]:
    """`wanted`, or all names where nothing is asked for.  ValueError for a name that is no figure."""
    known, asked = names(paths), list(dict.fromkeys(wanted))
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"figure must be one of {', '.join(known)}; got {name!r}.{hint}")
    return asked or known


def inputs(paths: Paths, name: str) -> list[Path]:
    """All files that figure `name` is made from: itself, what figures share, style, toymodel, data and what reads it."""
    others = {*_figures(paths).values()} | {*_figures(Paths()).values()} | SILENT
    shared = {file for folder in (HERE, paths.source) for file in folder.rglob("*.py")} - others
    data = reads(paths, name)
    readers = (HERE.parent / "validate").rglob("*.py") if data else ()
    return sorted({source(paths, name), *shared, paths.style, *paths.model.rglob("*.py"), *readers, *data})


def fingerprint(paths: Paths, name: str) -> str:
    """Hash of the content of all inputs; dates play no part."""
    digest = hashlib.sha256()
    for file in inputs(paths, name):
        digest.update(file.name.encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest() if file.exists() else b"missing")
    return digest.hexdigest()
