"""The demonstration: `python -m toymodel` trains the paper's two circuits, cuts the data set, and maps the behaviours.

`python -m toymodel explore` opens the explorer in a browser; `python -m toymodel classify runs.csv` names the behaviours of
measured runs.
"""

import collections
import difflib
import io
import signal
import sys
import time
from typing import Any

import numpy as np

import toymodel as tm


def main() -> None:
    """Prints the model, its run, its steady state, its times, its critical size and a small phase diagram."""
    model, run = tm.TwoCircuitModel(), tm.simulate()
    print(model, run, tm.steady_state(), "Grokking takes", tm.grokking_time(), sep="\n\n")
    print(f"\nCritical data set size D_crit = {tm.critical_dataset_size():g}, sharpness ν = {tm.sharpness():.3g}.")
    smaller = run.continue_with(4000, dataset_size=400)
    print(f"The same network, trained on with D = 400: {smaller.behaviour}.  {smaller.meaning.capitalize()}.\n")

    axes: dict[str, Any] = {"kappa": np.linspace(1.0, 1.9, 64), "dataset_size": np.geomspace(100, 1e4, 64)}
    tm.sweep(kappa=[1.0])  # compiles, the first time
    start = time.perf_counter()
    grid = tm.sweep(**axes)
    took = time.perf_counter() - start
    print(f"A phase diagram of κ × D, {grid.behaviour.size} runs to t = 1000, took {took:.2g} s:")
    for behaviour, count in collections.Counter(grid.behaviour.values.ravel().tolist()).most_common():
        print(f"  {count:5d}  {behaviour}: {tm.MEANINGS[behaviour]}")


USAGE = f"""usage: python -m toymodel [--help | --version | explore ... | classify runs.csv ...]

{__doc__}
In Python: help(toymodel.simulate)."""


def command(arguments: list[str]) -> int:
    """What the command line asks for; its exit status."""
    # A terminal that has no Greek letters shows question marks instead.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    first = arguments[0] if arguments else ""
    if first == "explore":
        from toymodel.explore.serve import main as explore

        return explore(arguments[1:])
    if hasattr(signal, "SIGPIPE"):  # a reader such as `head` may leave early
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if first == "classify":
        from toymodel.classify import main as classify

        return classify(arguments[1:])
    if first in ("", "--help", "-h", "--version"):
        main() if not first else print(f"toymodel {tm.__version__}" if first == "--version" else USAGE)
        return 0
    near = difflib.get_close_matches(first, ("explore", "classify", "--help", "--version"), n=1)
    print(
        USAGE, f"error: no command {first!r}." + f" Did you mean {near[0]!r}?" * bool(near), sep="\n\n", file=sys.stderr
    )
    return 2


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
