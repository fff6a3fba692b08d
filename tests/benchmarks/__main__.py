"""Runs the benchmarks by name, default all: `python -m tests.benchmarks [toymodel ...]`."""

import importlib
import sys
from pathlib import Path


def main(names: list[str]) -> None:
    """Each benchmark is a file bench_NAME.py with a function run()."""
    known = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    for name in names or known:
        if name not in known:
            raise SystemExit(f"a benchmark must be one of {', '.join(known)}; got {name!r}.")
        importlib.import_module(f".bench_{name}", __package__).run()


if __name__ == "__main__":
    main(sys.argv[1:])
