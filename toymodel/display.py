"""How models, trajectories and states show themselves, in a terminal and in a notebook."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from .circuits import Dynamics
from .parameters import CIRCUIT_PARAMETERS, MODEL_PARAMETERS

if TYPE_CHECKING:
    from .equilibrium import SteadyState
    from .trajectory import Trajectory

Rows = list[tuple[str, str]]


def number(value: float | None) -> str:
    """Six digits; "never" for None or nan."""
    return "never" if value is None or np.isnan(value) else f"{value:.6g}"


def text(title: str, rows: Rows) -> str:
    """A title and aligned rows."""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows)])


def html(title: str, rows: Rows) -> str:
    """The same as a small table."""
    cells = "".join(
        f'<tr><td style="text-align:left">{escape(name)}</td><td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table><caption style='text-align:left'><b>{escape(title)}</b></caption>{cells}</table>"


def model_rows(model: Dynamics) -> Rows:
    """Circuits, shared parameters, and the data set size that they amount to."""
    rows = []
    for label, circuit in zip(model.labels, model.circuits, strict=True):
        parts = [f"{row.symbol} = {getattr(circuit, row.name):.6g}" for row in CIRCUIT_PARAMETERS]
        if circuit.initial_logit == 0.0:
            parts.pop()
        rows.append((label, ", ".join(parts)))
    quiet = {"logit_spread": 0.0, "norm_power": 2.0, "logit_floor": 0.0}
    for row in MODEL_PARAMETERS:
        value = getattr(model, row.name)
        if quiet.get(row.name) != value:
            rows.append((row.name, f"{row.symbol} = {value:.6g}"))
    rows.append(("penalty", {"half": "(α/2) Σ P^m", "full": "α Σ P^m"}[model.penalty]))
    size = model.dataset_size
    if np.isfinite(size):
        rows.append(("dataset_size", f"D = {size:.6g}, by {model.law!r}"))
    return rows


def model_text(model: Dynamics) -> str:
    """A model in a terminal."""
    return text(type(model).__name__, model_rows(model))


def model_html(model: Dynamics) -> str:
    """A model in a notebook."""
    return html(type(model).__name__, model_rows(model))


def trajectory_rows(tr: "Trajectory") -> Rows:
    """Behaviour, times and ends."""
    ends: Iterable[tuple[str, float]] = zip(tr.model.labels, tr.final_state.logit, strict=True)
    return [
        ("behaviour", f"{tr.behaviour}: {tr.meaning}"),
        *((name, number(getattr(tr, name))) for name in ("t_fit", "t_gen", "t_cross")),
        (
            "t_end",
            f"{tr.t_end:.6g} ({tr.t_end / tr.learning_rate:.6g} steps of {tr.learning_rate:g}), {tr.method}",
        ),
        ("final logits", ", ".join(f"{label} {logit:.6g}" for label, logit in ends)),
        ("final losses", f"train {tr.train_loss[-1]:.4g}, test {tr.test_loss[-1]:.4g}"),
        ("final accuracies", f"train {tr.train_accuracy[-1]:.4g}, test {tr.test_accuracy[-1]:.4g}"),
        ("status", tr.status),
    ]


def trajectory_text(tr: "Trajectory") -> str:
    """A trajectory in a terminal."""
    return text("Trajectory", trajectory_rows(tr))


def trajectory_html(tr: "Trajectory") -> str:
    """A trajectory in a notebook."""
    return html("Trajectory", trajectory_rows(tr))


def steady_rows(state: "SteadyState") -> Rows:
    """Where the circuits rest, and whether they stay."""
    logits = ", ".join(f"{label} {logit:.6g}" for label, logit in zip(state.model.labels, state.logits, strict=True))
    norms = ", ".join(f"{label} {norm:.6g}" for label, norm in zip(state.model.labels, state.norms, strict=True))
    return [
        ("logits", logits),
        ("norms", norms),
        ("losses", f"train {state.train_loss:.6g}, test {state.test_loss:.6g}"),
        ("accuracies", f"train {state.train_accuracy:.6g}, test {state.test_accuracy:.6g}"),
        ("stable", "yes" if state.stable else "no"),
        ("other equilibria", str(len(state.others))),
    ]
