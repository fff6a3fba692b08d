"""The behaviours of measured runs, in a table: `python -m toymodel classify runs.csv`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from .behaviours import MEANINGS, Criteria, read_curves
from .curves import Curve, Table, chance_level, read_csv
from .explore import nets


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m toymodel classify",
        description="The behaviour of measured runs in the vocabulary of the toy model: grokking, memorisation, ...",
        epilog="In Python: help(toymodel.classify_curves). To lay the curves over the toy: python -m toymodel explore "
        "--data runs.csv",
    )
    parser.add_argument("file", type=Path, help="runs: CSV with a row for each step, or netCDF as realnet saves it")
    for name, meaning in (("step", "steps"), ("train", "train accuracy"), ("test", "test accuracy"), ("run", "runs")):
        parser.add_argument(f"--{name}", metavar="COLUMN", help=f"heading of the column of {meaning}; default: guessed")
    parser.add_argument("--classes", type=float, metavar="Q", help="number of classes: chance is 1/Q")
    parser.add_argument(
        "--chance", type=float, metavar="SHARE", help="accuracy of a guess, where classes are not equal"
    )
    for line in fields(Criteria):
        parser.add_argument(
            f"--{line.name.replace('_', '-')}", type=float, default=line.default, help=f"default {line.default}"
        )
    options = parser.parse_args(arguments)
    try:
        criteria = Criteria(**{line.name: getattr(options, line.name) for line in fields(Criteria)})
        columns = {name: getattr(options, name) for name in ("step", "train", "test", "run")}
        table = Table({}) if options.file.suffix == ".nc" else read_csv(options.file, **columns)
        rows: list[tuple[str, ...]] = [("run", "behaviour", "t_fit", "t_gen", "train", "test", "chance")]
        whence, short = set(), []
        for name, train, test, known in _runs(options.file, table):
            level, word = chance_level(test, options.classes, options.chance)
            if known is not None and options.classes is None and options.chance is None:
                level, word = known, "the task's"
            whence.add(word)
            if len(train[0]) < 2 or len(test[0]) < 2:
                short.append(name)
                continue
            found = read_curves(train, test, level, criteria)
            times = ("never" if np.isnan(t) else f"{t:g}" for t in (found.t_fit, found.t_gen))
            rows.append((name, found.behaviour, *times, f"{train[1][-1]:.3f}", f"{test[1][-1]:.3f}", f"{level:.3g}"))
        if len(rows) == 1:
            raise ValueError(f"a run must be measured twice or more; {options.file.name} has none such. Train it on.")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.file.name}, {'; '.join([*table.said, *(f'chance: {word}' for word in sorted(whence))])}\n")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("".join(f"{name}  measured less than twice\n" for name in short))
    for name in sorted({row[1] for row in rows[1:]}):
        print(f"{name}: {MEANINGS[name]}")
    return 0


def _runs(path: Path, table: Table) -> Iterator[tuple[str, Curve, Curve, float | None]]:
    """Name, train and test accuracy of each run of a CSV file's table or of a netCDF file, and chance where it says it."""
    for name, curves in table.runs.items():
        yield name, curves["train_accuracy"], curves["test_accuracy"], None
    if path.suffix == ".nc":
        for name, read in nets.runs(path).items():
            net = read()
            yield name, net.train, net.test, net.chance
