"""The demonstration: `python -m toymodel` trains the paper's two circuits, cuts the data set, and maps the behaviours.

`python -m toymodel explore` opens the explorer in a browser.
"""

import collections
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


if __name__ == "__main__":
    if sys.argv[1:2] == ["explore"]:
        from toymodel.explore.serve import main as explore

        sys.exit(explore(sys.argv[2:]))
    if hasattr(signal, "SIGPIPE"):  # a reader such as `head` may leave early
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.argv[1:]:
        sys.exit(print(f"usage: python -m toymodel [explore ...]\n\n{__doc__}\nIn Python: help(toymodel.simulate)."))
    main()
