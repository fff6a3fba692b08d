"""Measured curves from a CSV file, whoever wrote it.

One row is one step, one file one run or several: told apart by a column (`run`, `seed`, ...) or, as Weights & Biases exports
them, by the part of a heading before " - ".  Cells may be empty, steps unequal.  Columns are named by the caller or guessed
from their headings, and what was guessed is said.
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .parameters import FloatArray, check

Curve = tuple[FloatArray, FloatArray]

STEPS = ("step", "steps", "globalstep", "trainerglobalstep", "iteration", "iterations", "iter", "update", "updates",
         "epoch", "epochs", "time", "t")  # fmt: skip
RUNS = ("run", "runid", "runname", "experiment", "name", "id", "seed")
HELD_OUT = {"test", "val", "valid", "validation", "eval", "heldout", "unseen", "dev", "holdout"}
# What a heading must contain to be each quantity.
QUANTITIES = {"accuracy": {"acc", "accuracy", "top1"}, "loss": {"loss", "ce", "crossentropy", "nll", "xent"}}
MISSING = {"", "nan", "none", "null", "na", "n/a", "inf", "-inf", "infinity", "-infinity"}


@dataclass
class Table:
    """Runs of a CSV file.

    runs    by name: curves "train_accuracy", "test_accuracy", and where they are there "train_loss", "test_loss", "norm",
            each as steps (k,) and values (k,), without empty cells
    said    what was guessed, in words
    """

    runs: dict[str, dict[str, Curve]]
    said: list[str] = field(default_factory=list)


def read_csv(
    path: Path, *, step: str | None = None, train: str | None = None, test: str | None = None, run: str | None = None
) -> Table:
    """The runs of a CSV file.  step, train, test, run: headings of columns; what is not named is guessed.

    ValueError for a file that cannot be read, a heading that is not there, or accuracies that are none.
    """
    heads, rows = _rows(path)
    for option, head in {"step": step, "train": train, "test": test, "run": run}.items():
        known = heads + [h.rpartition(" - ")[2] for h in heads if option in ("train", "test")]
        if head is not None and head not in known:
            raise ValueError(
                f"--{option} must be a column of {path.name}: {', '.join(heads)}; got {head!r}. Choose one."
            )
    run = run or next((h for name in RUNS for h in heads if "".join(_words(h)) == name), None)
    step = step or next((h for name in STEPS for h in heads if "".join(_words(h)) == name), None)
    if step is None:
        raise ValueError(
            f"a column must say the step; {path.name} has {', '.join(heads)}. Call it step, or name it: --step COLUMN."
        )
    # A heading "run - metric" is a metric of that run; its extrema over what the export left out are no curves.
    kept = [h for h in heads if h not in (step, run) and not h.endswith(("__MIN", "__MAX"))]
    owners = {h: h.rpartition(" - ")[0] for h in kept}
    table, told = Table({}), set()
    for owner in dict.fromkeys(owners.values()):
        columns = _columns([h for h in kept if owners[h] == owner], train, test)
        if not {"train_accuracy", "test_accuracy"} <= columns.keys():
            continue
        told |= {f"{name.replace('_', ' ')}: {head.rpartition(' - ')[2]!r}" for name, head in columns.items()}
        for value in dict.fromkeys(row[run] for row in rows) if run else ("",):
            own = [row for row in rows if not run or row[run] == value]
            curves = {name: _curve(own, step, head, path) for name, head in columns.items()}
            name = ", ".join(filter(None, (owner, f"{run} {value}" if run and value else ""))) or path.stem
            if all(curves[f"{which}_accuracy"][0].size for which in ("train", "test")):
                table.runs[name] = curves
    if not table.runs:
        raise ValueError(
            f"columns must hold train and test accuracy; {path.name} has {', '.join(heads)}. Name them: --train COLUMN "
            f"--test COLUMN."
        )
    table.said = [f"step: {step!r}", *sorted(told), *([f"run: {run!r}"] if run else [])]
    _as_shares(table, path)
    return table


def _rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Headings, and rows by heading, of text separated by commas, semicolons or tabs."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"curves must be a CSV file; {str(path)!r} cannot be read: {error}. Export one.") from None
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    if mark == ";":  # as written where the decimal point is a comma
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    found = list(csv.DictReader(text.splitlines(), delimiter=mark, restval="", skipinitialspace=True))
    if not found:
        raise ValueError(
            f"curves must be a CSV file with a line of headings and rows; {path.name} has none. Export one."
        )
    heads = [h.strip() for h in found[0] if h]
    return heads, [{h.strip(): (v or "").strip() for h, v in row.items() if h} for row in found]


def _words(head: str) -> list[str]:
    return re.findall(r"[a-z]+1?", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", head).lower())


def _columns(heads: list[str], train: str | None, test: str | None) -> dict[str, str]:
    """Which of the headings is what; of several that could be, the shortest."""
    found: dict[str, str] = {}
    for head in sorted(heads, key=lambda h: (len(h), heads.index(h))):
        words = set(_words(head.rpartition(" - ")[2] if " - " in head else head))
        held_out = bool(words & HELD_OUT) or {"held", "out"} <= words
        for quantity, names in QUANTITIES.items():
            if words & names:
                found.setdefault(f"{'test' if held_out else 'train'}_{quantity}", head)
        if "norm" in words and not words & {"grad", "gradient", "layer", "batch"}:
            found.setdefault("norm", head)
    for name, wanted in (("train_accuracy", train), ("test_accuracy", test)):
        if wanted is not None:
            named = next((head for head in heads if wanted in (head, head.rpartition(" - ")[2])), None)
            found = {n: head for n, head in (found | {name: named}).items() if head is not None}
    return found


def _curve(rows: list[dict[str, str]], step: str, head: str, path: Path) -> Curve:
    """A column over steps, in their order; where a step is repeated its last value counts."""
    found: dict[float, float] = {}
    for number, row in enumerate(rows, 2):
        if row[step].lower() in MISSING or row[head].lower() in MISSING:
            continue
        try:
            found[float(row[step])] = float(row[head].removesuffix("%"))
        except ValueError:
            raise ValueError(
                f"{path.name} must hold numbers in columns {step!r} and {head!r}, got {row[step]!r} and {row[head]!r} in "
                f"row {number}. Correct the cell, or empty it."
            ) from None
    steps = np.array(sorted(found), float)
    return steps, np.array([found[s] for s in steps.tolist()], float)


def _as_shares(table: Table, path: Path) -> None:
    """Accuracies in percent become shares, which is said."""
    for which in ("train", "test"):
        name = f"{which}_accuracy"
        values = np.concatenate([curves[name][1] for curves in table.runs.values()])
        if values.min() < 0.0 or values.max() > 100.0:
            raise ValueError(
                f"{which} accuracy must lie in [0, 1] or [0, 100]; {path.name} has {values.min():g} to {values.max():g}. "
                f"Call its column {which}_accuracy, or name it: --{which} COLUMN."
            )
        if values.max() > 1.0 + 1e-6:
            table.said.append(f"{which} accuracy: in percent")
            for curves in table.runs.values():
                curves[name] = curves[name][0], curves[name][1] / 100.0
        for curves in table.runs.values():
            curves[name] = curves[name][0], np.clip(curves[name][1], 0.0, 1.0)


def chance_level(test: Curve, classes: float | None = None, chance: float | None = None) -> tuple[float, str]:
    """Chance as given, else what the test accuracy was at first, if it was not yet high; and in words where it is from."""
    if chance is not None:
        return check("accuracy", chance, "chance"), "as given"
    if classes is not None:
        return 1.0 / check("num_classes", classes, "classes"), f"1/{classes:g}"
    first = float(test[1][0])
    if first > 0.8:
        return 0.0, "taken for 0, because the run starts above it; better: --classes or --chance"
    return first, "the first test accuracy; better: --classes or --chance"
