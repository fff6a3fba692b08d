"""What the explorer shows of one model: its run, its state at rest, its times; and the phase diagram around it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

import toymodel as tm

from ..plot import BEHAVIOUR_COLOURS, COLOURS
from . import settings
from .drawing import Axis, Line, Mark, around, chart, phase
from .settings import SLIDERS, Values

# Dense enough for a smooth curve of 350 pixels.
SHOWN = 240
# From which share of t_end curves are shown, and cells of a phase diagram: columns, rows.
FIRST = 1e-5
CELLS = (36, 24)
# What a phase diagram can have as its axes, with the range that it shows.
AXES = {
    "dataset_size": (100.0, 1e5),
    "kappa": (0.5, 6.0),
    "weight_decay": (1e-5, 1.0),
    "gen_learning_speed": (1e-4, 10.0),
    "gen_initial_logit": (1e-3, 30.0),
    "t_end": (10.0, 1e6),
}


@dataclass(frozen=True, eq=False)
class Answer:
    """One model's run and rest.

    rest       where training ends; None without weight decay
    critical   D_crit
    """

    run: tm.Trajectory
    rest: tm.SteadyState | None
    critical: float


def answer(values: Values) -> Answer:
    """The run and rest of the model under the sliders.  ValueError for what the model refuses."""
    found = run(values)
    rest = tm.steady_state(found.model) if found.model.weight_decay > 0.0 else None
    return Answer(found, rest, settings.critical_size(values))


def run(values: Values) -> tm.Trajectory:
    """The run of the model under the sliders.  ValueError for what the model refuses."""
    model, t_end = settings.model(values), values["t_end"]

    def drawn(first: float) -> tm.Trajectory:
        times = np.concatenate([[0.0], np.geomspace(first, t_end, SHOWN)])
        times[-1] = t_end
        return tm.simulate(model, t_end, times=times, compiled=True)

    try:
        found = drawn(FIRST * t_end)
    except ValueError as error:
        raise ValueError(settings.refusal(error, values)) from None
    # A long run's beginning is drawn too.
    return drawn(0.01 * found.t_fit) if found.t_fit and found.t_fit < 100.0 * FIRST * t_end else found


def rows(found: Answer) -> list[tuple[str, list[tuple[str, str]]]]:
    """The numbers beside the curves, by group: name and value with unit."""
    run, rest, model = found.run, found.rest, found.run.model
    groups = [
        (
            "Times (flow time)",
            [
                ("t_fit, fits the training set", when(run.t_fit)),
                ("t_cross, Gen leads", when(run.t_cross)),
                ("t_gen, generalises", when(run.t_gen)),
                ("t_lost, Gen falls behind", when(run.t_lost)),
            ],
        ),
        (
            f"At the end, t = {when(run.t_end)}",
            [
                ("logit Gen, Mem", f"{run.gen_logit[-1]:.3g}, {run.mem_logit[-1]:.3g} nats"),
                ("loss train, test", f"{run.train_loss[-1]:.3g}, {run.test_loss[-1]:.3g} nats"),
                ("test accuracy", f"{run.test_accuracy[-1]:.0%}"),
            ],
        ),
    ]
    if rest is not None:
        stable = sum(state.stable for state in rest.others) + rest.stable
        groups.append(
            (
                "At rest",
                [
                    ("logit Gen, Mem", f"{rest.gen_logit:.3g}, {rest.mem_logit:.3g} nats"),
                    ("norm Gen, Mem, both", f"{rest.gen_norm:.3g}, {rest.mem_norm:.3g}, {rest.norm:.3g}"),
                    ("loss train, test", f"{rest.train_loss:.3g}, {rest.test_loss:.3g} nats"),
                    ("stable states", str(stable)),
                ],
            )
        )
    eta_gen, eta_mem = model.efficiencies
    groups.append(
        (
            "Efficiencies at this D",
            [
                ("η_gen, η_mem", f"{eta_gen:.3g}, {eta_mem:.3g} 1/norm"),
                ("D_crit, where they meet", f"{found.critical:.4g} examples"),
                ("ν, sharpness", f"{tm.sharpness(model):.3g}"),
            ],
        )
    )
    return groups


def when(time: float | None) -> str:
    """A time; "never" for None or nan."""
    return "never" if time is None or time != time else f"{time:,.0f}" if time >= 1000.0 else f"{time:.4g}"


def charts(found: Answer) -> list[str]:
    """Logits, losses and norms over flow time, as SVG."""
    run, rest = found.run, found.rest
    # Where this run ends, and thinner the other states in which training could end.
    rests = [(rest, 1.5), *((state, 0.7) for state in rest.others if state.stable)] if rest else []
    x = Axis("flow time", 10 * float(run.time[1]), run.t_end, log=True)
    marks = [
        Mark(time, word)
        for time, word in (
            (run.t_fit, "fits"),
            (run.t_cross, "Gen leads"),
            (run.t_gen, "generalises"),
            (run.t_lost, "Gen falls behind"),
        )
        if time
    ]
    out = []
    for title, unit, quantity in (("Logits", "logit (nats)", "logit"), ("Norms", "parameter norm", "norm")):
        lines, values = [], [np.zeros(1)]
        for kind in ("gen", "mem"):
            curve = np.asarray(getattr(run, f"{kind}_{quantity}"))
            lines.append(Line(run.time, curve, COLOURS[kind], kind.capitalize()))
            values.append(curve)
            for state, width in rests:
                end = np.full(2, getattr(state, f"{kind}_{quantity}"))
                lines.append(Line(np.array([x.low, x.high]), end, COLOURS[kind], dash="1 4", width=width))
                values.append(end)
        if quantity == "norm":
            lines.insert(0, Line(run.time, run.norm, "#999", "both", width=4.0))
            values.append(run.norm)
        if rests:
            word = "at rest" if len(rests) == 1 else f"at rest ({len(rests)} states)"
            lines.append(Line(np.full(1, -1.0), np.zeros(1), "#666", word, dash="1 4"))
        out.append(chart(title, x, around(unit, *values, low=0.0), lines, marks))
    losses = [
        Line(run.time, run.train_loss, COLOURS["train"], "train"),
        Line(run.time, run.test_loss, COLOURS["test"], "test", dash="6 3"),
    ]
    y = around("cross-entropy (nats)", run.train_loss, run.test_loss, log=True)
    out.insert(1, chart("Losses", x, y, losses, marks))
    return out


@dataclass(frozen=True)
class Phases:
    """Behaviours (rows of y, columns of x) over two of the sliders' quantities."""

    x: Axis
    y: Axis
    names: npt.NDArray[np.str_]


def span(name: str, values: Values) -> tuple[float, float]:
    """What a phase diagram shows along an axis: its range in AXES, as far as circuits that start at 0 can grow (4.3)."""
    low, high = AXES[name]
    if name == "kappa" and min(values["gen_initial_logit"], values["mem_initial_logit"]) == 0.0:
        high = min(high, 0.975 * 2.0)
    return low, high


def phases(values: Values, across: str, up: str) -> Phases:
    """The phase diagram through the model under the sliders.  ValueError for what the model refuses."""
    others = tuple((name, value) for name, value in values.items() if name not in (across, up))
    return _phases(others, (across, *span(across, values)), (up, *span(up, values)))


@lru_cache(maxsize=64)
def _phases(
    others: tuple[tuple[str, float], ...], right: tuple[str, float, float], above: tuple[str, float, float]
) -> Phases:
    across, up = right[0], above[0]
    if across == up:
        raise ValueError(f"a phase diagram needs two different axes, got {across} twice. Choose another one.")
    x, y = (Axis(SLIDERS[name].title, low, high, SLIDERS[name].log) for name, low, high in (right, above))
    grids: dict[str, Any] = {across: x.values(CELLS[0]), up: y.values(CELLS[1])}
    values = settings.DEFAULTS | dict(others)
    model = settings.model(values | {name: float(grid[0]) for name, grid in grids.items()})
    # One core is left to the curves, which may have moved on meanwhile.
    crew = max(1, (os.cpu_count() or 1) - 1)
    found = tm.sweep(model, progress=False, threads=crew, **{"t_end": values["t_end"]} | grids)
    return Phases(x, y, found.behaviour.transpose(up, across).values)


def phase_chart(found: Phases, values: Values, across: str, up: str) -> str:
    """The diagram as HTML, with the model under the sliders marked."""
    border = settings.critical_size(values) if across == "dataset_size" else None
    here = (values[across], values[up])
    title = "Behaviour at the end of the run"
    picture = phase(title, found.x, found.y, found.names, BEHAVIOUR_COLOURS, here, border)
    return f'<div class="map">{picture}{key(found)}<p class="hint">A click moves the sliders there.</p></div>'


def clicked(found: Phases, across: str, up: str, place: tuple[float, float]) -> dict[str, float]:
    """Where the sliders of the two axes go for a click at fractions (x, y) of the diagram."""
    return {
        name: SLIDERS[name].nearest(axis.value(fraction))
        for name, axis, fraction in zip((across, up), (found.x, found.y), place, strict=True)
    }


def key(found: Phases) -> str:
    """The behaviours that occur, with their colours, as HTML."""
    entries = "".join(
        f'<span class="key"><i style="background:{BEHAVIOUR_COLOURS[name]}"></i>{name}</span>'
        for name in tm.BEHAVIOURS
        if np.any(found.names == name)
    )
    return f'<div class="keys">{entries}</div>'


def pill(behaviour: str) -> str:
    """A behaviour's name in its colour, as HTML."""
    return f'<b class="behaviour" style="background:{BEHAVIOUR_COLOURS[behaviour]}">{behaviour}</b>'


def headline(found: Answer) -> str:
    """Behaviour and what it means, as HTML."""
    return f'<div class="headline">{pill(found.run.behaviour)} <span>{escape(found.run.meaning)}</span></div>'


def table(groups: list[tuple[str, list[tuple[str, str]]]]) -> str:
    """Groups of rows, as HTML."""
    parts = []
    for title, members in groups:
        cells = "".join(f"<tr><td>{escape(n)}</td><td>{escape(v)}</td></tr>" for n, v in members)
        parts.append(f"<table><caption>{escape(title)}</caption>{cells}</table>")
    return f'<div class="numbers">{"".join(parts)}</div>'


def notes(said: Sequence[str]) -> str:
    """Sentences, as HTML."""
    return f'<ul class="notes">{"".join(f"<li>{escape(text)}</li>" for text in said)}</ul>' if said else ""


def layout(top: str, charts: list[str]) -> str:
    """Headline and charts, as HTML."""
    return f'{top}<div class="charts">{"".join(charts)}</div>'


def refusal(error: Exception) -> str:
    """What the model refuses, in its own words, as HTML."""
    return f'<div class="refused">{escape(str(error))}</div>'
