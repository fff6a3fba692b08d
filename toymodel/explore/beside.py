"""A saved run of a real network (solid) laid over the toy's run (dashed): losses, accuracies, logits, norms.

The toy's flow time becomes steps by one factor, `pace`, steps per unit of flow time.
"""

import numpy as np

from ..plot import COLOURS
from .answer import Answer, pill, when
from .drawing import Axis, Line, around, chart
from .nets import Net, first_fit

DASH = "7 4"
INK = "#000"
# title, unit, log axis, and for each curve: the net's name for it, the toy's, its colour, its word in the legend
CHARTS = (
    ("Losses", "cross-entropy (nats)", True, (
        ("train_loss", "train_loss", COLOURS["train"], "train"), ("unseen_loss", "test_loss", COLOURS["test"], "test"),
    )),
    ("Accuracies", "accuracy", False, (
        ("train_accuracy", "train_accuracy", COLOURS["train"], "train"),
        ("unseen_accuracy", "test_accuracy", COLOURS["test"], "test"),
    )),
    ("Logits", "logit (nats)", False, (
        ("gen_logit", "gen_logit", COLOURS["gen"], "Gen"), ("mem_logit", "mem_logit", COLOURS["mem"], "Mem"),
    )),
    ("Norm of all weights", "norm", False, (("norm", "norm", INK, ""),)),
)  # fmt: skip


def meeting_pace(net: Net, found: Answer) -> float:
    """Steps per unit of flow time at which net and toy fit their training sets together.

    Where either never fits, or the net fits from its first measurement on, they end together instead.
    """
    steps, _ = net.curves["train_accuracy"]
    fit, t_fit = first_fit(net), found.run.t_fit
    if fit and t_fit and fit > steps[0]:
        return float(fit / t_fit)
    return float(steps[-1]) / found.run.t_end


def overlay(net: Net, found: Answer, pace: float) -> list[str]:
    """The charts, as SVG.  What the net was not measured for is missing."""
    run = found.run
    toy = {name: np.asarray(getattr(run, name)) for *_, curves in CHARTS for _, name, _, _ in curves}
    last = max(float(step[-1]) for step, _ in net.curves.values())
    x = Axis("optimizer steps", 1.0, last, log=True)
    steps = run.time * pace
    seen = (steps >= x.low) & (steps <= x.high)
    out = []
    for title, unit, log, curves in CHARTS:
        lines, values = [], []
        for measured, name, colour, word in curves:
            lines.append(Line(steps, toy[name], colour, dash=DASH))
            values.append(toy[name][seen])
            if measured in net.curves:
                lines.append(Line(*net.curves[measured], colour, word, width=2.5))
                values.append(net.curves[measured][1])
        lines += [
            Line(np.zeros(1), np.zeros(1), "#666", "net", width=2.5),
            Line(np.zeros(1), np.zeros(1), "#666", "toy", DASH),
        ]
        y = Axis(unit, 0.0, 1.05) if title == "Accuracies" else around(unit, *values, log=log, low=None if log else 0.0)
        out.append(chart(title, x, y, lines))
    return out


def headline(net: Net, found: Answer) -> str:
    """The two behaviours, as HTML."""
    return f'<div class="headline">net {pill(net.behaviour)} toy {pill(found.run.behaviour)}</div>'


def rows(net: Net, found: Answer, pace: float) -> list[tuple[str, list[tuple[str, str]]]]:
    """Net and toy in numbers, by group."""
    run, step = found.run, first_fit(net)
    total = float(run.gen_logit[-1] + run.mem_logit[-1])
    return [
        (
            "Net",
            [
                ("behaviour", net.behaviour),
                ("fits at step", when(step)),
                ("equivalent logit at the end", f"{net.end('train_logit'):.3g} nats"),
                ("norm at the end", f"{net.end('norm'):.3g}"),
                ("test accuracy at the end", f"{net.end('unseen_accuracy'):.0%}"),
            ],
        ),
        (
            "Toy",
            [
                ("behaviour", run.behaviour),
                ("fits at step", when(run.t_fit and run.t_fit * pace)),
                ("logit of both circuits at the end", f"{total:.3g} nats"),
                ("norm at the end", f"{run.norm[-1]:.3g}"),
                ("steps per unit of flow time", when(pace)),
            ],
        ),
    ]
