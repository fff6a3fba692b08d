"""A measured run of a network (solid) laid over the toy's run (dashed): losses, accuracies, logits, norms.

The toy's flow time becomes steps by one factor, `pace`, steps per unit of flow time, and both end at the same step: what is
drawn is what each is named by.  All of the toy's inputs are alike, so that it is right on all of them or on none; what is
drawn for its accuracy is its performance 1 - loss / ln q, by which it is named.
"""

import numpy as np

import toymodel as tm

from ..plot import COLOURS
from .answer import pill, when
from .drawing import Axis, Line, around, chart
from .nets import Net

DASH = "7 4"
INK = "#000"
# title, unit, log axis, and for each curve: the net's name for it, the toy's, its colour, its word in the legend
CHARTS = (
    ("Losses", "cross-entropy (nats)", True, (
        ("train_loss", "train_loss", COLOURS["train"], "train"), ("unseen_loss", "test_loss", COLOURS["test"], "test"),
    )),
    ("Accuracies", "accuracy; 1 − loss/ln q", None, (
        ("train_accuracy", "train_accuracy", COLOURS["train"], "train"),
        ("unseen_accuracy", "test_accuracy", COLOURS["test"], "test"),
    )),
    ("Logits", "logit (nats)", False, (
        ("gen_logit", "gen_logit", COLOURS["gen"], "Gen"), ("mem_logit", "mem_logit", COLOURS["mem"], "Mem"),
    )),
    ("Norm of all weights", "norm", False, (("norm", "norm", INK, ""),)),
)  # fmt: skip


def meeting_pace(net: Net, run: tm.Trajectory) -> float:
    """Steps per unit of flow time at which network and toy fit their training sets together.

    Where either never fits, or the network fits from its first measurement on, they end together instead.
    """
    t_fit = net.reading.t_fit
    return t_fit / run.t_fit if t_fit > 0.0 and run.t_fit else last_step(net) / run.t_end


def last_step(net: Net) -> float:
    """The step at which the run ends."""
    return max(float(step[-1]) for step, _ in net.curves.values())


def overlay(net: Net, run: tm.Trajectory, pace: float) -> list[str]:
    """The charts, as SVG.  What the network was not measured for is missing."""
    log_q = np.log(run.model.num_classes)
    toy = {name: np.asarray(getattr(run, name)) for *_, curves in CHARTS for _, name, _, _ in curves}
    toy |= {f"{w}_accuracy": np.maximum(1.0 - toy[f"{w}_loss"] / log_q, 0.0) for w in ("train", "test")}
    last = last_step(net)
    x = Axis("steps", min(1.0, 1e-3 * last), last, log=True)
    steps = run.time * pace
    seen = (steps >= x.low) & (steps <= x.high)
    out = []
    for title, unit, log, curves in CHARTS:
        lines, values = [], []
        for measured, name, colour, word in curves:
            lines.append(Line(steps, toy[name], colour, "" if measured in net.curves else word, DASH))
            values.append(toy[name][seen])
            if measured in net.curves:
                lines.append(Line(*net.curves[measured], colour, word, width=2.5))
                values.append(net.curves[measured][1])
        lines += [
            Line(np.zeros(1), np.zeros(1), "#666", "net", width=2.5),
            Line(np.zeros(1), np.zeros(1), "#666", "toy", DASH),
        ]
        y = Axis(unit, 0.0, 1.05) if log is None else around(unit, *values, log=log, low=None if log else 0.0)
        out.append(chart(title, x, y, lines))
    return out


def headline(net: Net, run: tm.Trajectory) -> str:
    """The two behaviours, as HTML."""
    return f'<div class="headline">net {pill(net.reading.behaviour)} toy {pill(run.behaviour)}</div>'


def rows(net: Net, run: tm.Trajectory, pace: float) -> list[tuple[str, list[tuple[str, str]]]]:
    """Network and toy in numbers, by group, for steps up to the network's last."""
    read = net.reading
    logit = float(run.gen_logit[-1] + run.mem_logit[-1])
    test, norm = net.end("train_logit"), net.end("norm")
    return [
        (
            "Network",
            [
                ("behaviour", read.behaviour),
                ("fits at step", when(read.t_fit)),
                ("generalises at step", when(read.t_gen)),
                *[("equivalent logit at the end", f"{test:.3g} nats")] * (test == test),
                *[("norm at the end", f"{norm:.3g}")] * (norm == norm),
                ("test accuracy at the end", f"{net.test[1][-1]:.0%}"),
                ("chance", f"{net.chance:.3g}"),
            ],
        ),
        (
            "Toy",
            [
                ("behaviour", run.behaviour),
                ("fits at step", when(run.t_fit and run.t_fit * pace)),
                ("generalises at step", when(run.t_gen and run.t_gen * pace)),
                ("logit of both circuits at the end", f"{logit:.3g} nats"),
                ("norm at the end", f"{run.norm[-1]:.3g}"),
                ("steps per unit of flow time", when(pace)),
            ],
        ),
    ]
