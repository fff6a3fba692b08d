"""Grokking needs three ingredients: without a cheaper Gen or without a slower one it is gone (paper, figure 2).

Claim: with a generalising circuit that is more efficient and learned more slowly than the memorising one, training
fits first and generalises much later; if Gen is less efficient nothing generalises, if it is as fast there is no
plateau.
Source: Varma et al. 2023, figure 2 and appendix C; toymodel/README.md (2), (3).
"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, GREY

CASES = {
    "all three": {},
    "Gen less efficient": {"gen_efficiency": 0.5, "mem_efficiency": 1.0},
    "Gen as fast": {"gen_learning_speed": 1.0},
}

CAPTION = """
Cross-entropy, logits and parameter norms of the toy model at the paper's parameters, penalty halved. All three
ingredients: {behaviour_0}, fitted at flow time {t_fit_0}, generalised at {t_gen_0}, logits {gen_0} and {mem_0} nats
at the end. Gen less efficient: {behaviour_1}, test loss {test_1} nats at the end. Gen as fast: the test loss is never
above chance (dotted), and later than the train loss only by a factor {delay_2}, not {delay_0}. n = {n} runs of
gradient flow.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """A row for each case: losses, logits, norms."""
    fig, grid = plt.subplots(3, 3, figsize=(7.0, 4.8), sharex=True, sharey="col")
    numbers: dict[str, object] = {"n": len(CASES)}
    for k, ((name, parameters), (left, middle, right)) in enumerate(zip(CASES.items(), grid, strict=True)):
        tr = tm.simulate(**parameters)
        left.plot(tr.time, tr.train_loss, color=COLOURS["train"], label="train")
        left.plot(tr.time, tr.test_loss, color=COLOURS["test"], ls="--", label="test")
        left.axhline(tr.test_loss[0], color=GREY, lw=0.8, ls=":", zorder=0)
        left.set(ylabel=f"{name}\ncross-entropy (nats)", yscale="log", xscale="log", xlim=(0.1, tr.t_end))
        for axes, gen, mem in ((middle, tr.gen_logit, tr.mem_logit), (right, tr.gen_norm, tr.mem_norm)):
            axes.plot(tr.time, gen, color=COLOURS["gen"], label="Gen")
            axes.plot(tr.time, mem, color=COLOURS["mem"], ls="--", label="Mem")
        for axes in (left, middle, right):
            if tr.t_gen is not None:
                axes.axvline(tr.t_gen, color=GREY, lw=0.8, ls="-.", zorder=0)
        numbers |= {f"behaviour_{k}": tr.behaviour, f"t_fit_{k}": tr.t_fit, f"gen_{k}": tr.gen_logit[-1]}
        numbers |= {f"mem_{k}": tr.mem_logit[-1], f"test_{k}": tr.test_loss[-1], f"largest_{k}": tr.test_loss.max()}
        if tr.t_gen is not None:
            numbers |= {f"t_gen_{k}": tr.t_gen, f"delay_{k}": tr.t_gen / tr.t_fit}
    grid[0, 1].set_title("logit W (nats)")
    grid[0, 2].set_title("parameter norm P")
    for axes in grid[-1]:
        axes.set_xlabel("flow time (learning rate × steps)")
    for axes in grid[1, :2]:
        axes.legend(loc="center right")
    return fig, numbers
