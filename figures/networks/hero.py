"""A transformer groks, and the two circuits of the toy model do: memorising comes first, the cheaper circuit takes over.

Claim: in both, Mem's logit carries the training set first and gives way to Gen's long after the training set is
fitted.
Source: Varma et al. 2023, figure 2 and appendix A.3; toymodel/README.md (6.1).
"""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import toymodel as tm
from validate.quantities import joined

from ..palette import COLOURS
from ..study import Study

DATA = ("realnet/grokking.nc",)
FRAMES = 24
T_END = 1e3

CAPTION = """
Left: a one-layer transformer on addition mod {p}, trained on {size} of {pairs} pairs. Right: the toy model, two
circuits under weight decay. Above cross-entropy, below what each circuit adds to the right logit: Mem (orange) first,
Gen (blue), which needs less norm for it, later. n = {n} run.
"""


def _until(axes: Axes, x: np.ndarray, y: np.ndarray, share: float, colour: str, label: str) -> None:
    """The curve up to a share of its log axis, its end marked; the frame is that of the whole."""
    low, high = np.log(x[0]), np.log(x[-1])
    now = np.exp(low + share * (high - low))
    seen = x <= now * (1 + 1e-9)
    axes.plot(x[seen], y[seen], color=COLOURS[colour], lw=1.8, label=label)
    axes.plot(x[seen][-1:], y[seen][-1:], "o", color=COLOURS[colour], ms=4)
    reach = max(np.ptp(y), 0.1)
    bottom, top = axes.get_ylim() if axes.lines[2:] else (np.inf, -np.inf)
    axes.set(
        xscale="log", xlim=(x[0], x[-1]), ylim=(min(bottom, y.min() - 0.06 * reach), max(top, y.max() + 0.1 * reach))
    )


@cache
def _toy() -> tm.Trajectory:
    """The toy's run, the same in every frame."""
    return tm.simulate(tm.TwoCircuitModel(logit_spread=0.3), T_END, times=np.geomspace(0.1, T_END, 300))


def draw(study: Study, share: float = 1.0) -> tuple[Figure, dict[str, object]]:
    """Both runs up to a share of their time, on a log scale."""
    run = study.runs("realnet/grokking")[0]
    tr = _toy()
    both, (step, gen, mem) = joined(run), run.circuits()
    real = {"train": (both.step, both.loss), "test": (both.step, both.unseen_loss)}
    real |= {"gen": (step[step > 0], gen[step > 0]), "mem": (step[step > 0], mem[step > 0])}
    toy = {"train": tr.train_loss, "test": tr.test_loss, "gen": tr.gen_logit, "mem": tr.mem_logit}
    labels = {"train": "training pairs", "test": "all others", "gen": "Gen", "mem": "Mem"}
    fig, grid = plt.subplots(2, 2, figsize=(6.4, 3.3), height_ratios=(1, 1.35), sharex="col")
    for column, curves in ((0, real), (1, {name: (tr.time, curve) for name, curve in toy.items()})):
        for row, names in ((0, ("train", "test")), (1, ("mem", "gen"))):
            for name in names:
                _until(grid[row, column], *curves[name], share, name, labels[name])
    grid[0, 0].set(title="transformer", ylabel="loss (nats)")
    grid[0, 1].set(title="two circuits")
    grid[1, 0].set(xlabel="optimizer steps", ylabel="right logit (nats)")
    grid[1, 1].set(xlabel="flow time")
    for axes in grid[:, 0]:
        axes.legend(loc="upper left", framealpha=0.0)
    about = {"p": run.config["p"], "size": run.config["dataset_size"], "pairs": run.pairs}
    return fig, {"n": 1} | about
