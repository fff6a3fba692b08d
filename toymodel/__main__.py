"""The demonstration: `python -m toymodel` trains the paper's two circuits, cuts the data set, and maps the behaviours.

`python -m toymodel explore` opens the explorer in a browser.
"""

import collections
import sys
import time

import numpy as np

import toymodel as tm


def main() -> None:
    """Prints the model, its run, its steady state, its times, its critical size and a small phase diagram."""
    model = tm.TwoCircuitModel()
    print(model, end="\n\n")

    run = tm.simulate(model)
    print(run, end="\n\n")
    print(tm.steady_state(model), end="\n\n")
    print(
        f"critical data set size D_crit = {tm.critical_dataset_size(model):g}, sharpness ν = {tm.sharpness(model):.3g}\n"
    )
    print("Grokking takes", tm.grokking_time(model), sep="\n", end="\n\n")

    smaller = run.continue_with(4000, dataset_size=400)
    print(f"The same network, trained on with D = 400: {smaller.behaviour}.  {smaller.meaning.capitalize()}.\n")

    sizes, kappas = np.geomspace(100, 1e4, 64), np.linspace(1.0, 1.9, 64)
    tm.sweep(model, kappa=kappas[:1], dataset_size=sizes[:1])  # compiles, the first time
    start = time.perf_counter()
    grid = tm.sweep(model, kappa=kappas, dataset_size=sizes)
    took = time.perf_counter() - start
    counts = collections.Counter(grid.behaviour.values.ravel().tolist())
    print(f"A phase diagram of κ × D, {grid.behaviour.size} runs to t = 1000, took {took:.2g} s:")
    for behaviour, count in counts.most_common():
        print(f"  {count:5d}  {behaviour}: {tm.MEANINGS[behaviour]}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["explore"]:
        from toymodel.explore.serve import main as explore

        sys.exit(explore(sys.argv[2:]))
    main()
