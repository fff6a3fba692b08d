"""Losses, logits and norms of one run against time: the layout that the three ingredient figures share (paper, figure 2)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, GREY


def panels(tr: tm.Trajectory) -> tuple[Figure, dict[str, object]]:
    """Three panels over log time, with the numbers that a caption needs."""
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(7.0, 2.2))
    left.plot(tr.time, tr.train_loss, color=COLOURS["train"], label="train")
    left.plot(tr.time, tr.test_loss, color=COLOURS["test"], ls="--", label="test")
    left.set(ylabel="cross-entropy (nats)", yscale="log", ylim=(3e-3, 400.0))
    for axes, gen, mem, what in (
        (middle, tr.gen_logit, tr.mem_logit, "logit W (nats)"),
        (right, tr.gen_norm, tr.mem_norm, "parameter norm P"),
    ):
        axes.plot(tr.time, gen, color=COLOURS["gen"], label="Gen")
        axes.plot(tr.time, mem, color=COLOURS["mem"], ls="--", label="Mem")
        axes.set(ylabel=what, ylim=(0.0, 1.35 * max(gen.max(), mem.max())))
    for axes in (left, middle, right):
        axes.set(xlabel="flow time (learning rate × steps)", xscale="log", xlim=(0.1, tr.t_end))
        for event, label, style in ((tr.t_fit, "fits", ":"), (tr.t_gen, "generalises", "-.")):
            if event is not None:
                axes.axvline(event, color=GREY, lw=0.8, ls=style, label=label if axes is left else None, zorder=0)
        axes.legend(loc="upper right" if axes is left else "upper left", ncols=2 if axes is left else 1)
    numbers = {
        "n": 1,
        "behaviour": tr.behaviour,
        "t_fit": np.nan if tr.t_fit is None else tr.t_fit,
        "t_gen": np.nan if tr.t_gen is None else tr.t_gen,
        "t_cross": np.nan if tr.t_cross is None else tr.t_cross,
        "t_end": tr.t_end,
        "gen_logit": tr.gen_logit[-1],
        "mem_logit": tr.mem_logit[-1],
        "train_loss": tr.train_loss[-1],
        "test_loss": tr.test_loss[-1],
        "largest_test_loss": tr.test_loss.max(),
    }
    return fig, numbers
