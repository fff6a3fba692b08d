"""How long grokking and ungrokking take: estimates and their measured error (model.md 6.1, 6.2).

Closed form (6.1).  On the plateau of the circuit that leads, its logit W* solves p(W) = a W^(r-1), and the rival's mirror
coordinate climbs at the rate p* = p(W*) until its logit has grown to W_cross, about half of W*, because the two share the
total.

Adiabatic.  The total logit S relaxes fast, with rate p (1-p) Σ w_i, so that Σ w_i g_i = 0 while the two circuits trade:
p(S) is the mean of the penalties' slopes a_i W_i^(r-1) with weights w_i = √(s_i⁴ + 4 W_i²).  That leaves one slow
coordinate, the rival's θ, and the time is the integral of dθ / (p - a W^(r-1)).  It keeps what the closed form drops: the
rival's own penalty, the falling plateau, and the head start that it gets while the leader is still learning.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import flow
from .behaviours import Thresholds
from .circuits import Dynamics
from .equilibrium import critical_dataset_size, steady_state
from .integrate import as_model, simulate
from .losses import wrong_probability
from .parameters import FloatArray
from .problem import pack
from .solve import follow_to_limit


@dataclass(frozen=True)
class TimeEstimate:
    """Flow time until the rival circuit takes the lead.

    closed_form     (6.1) asinh(2 W_cross / s²) / (2 p*), less the same for the rival's seed
    adiabatic       the integral along the slow path; nan where there is none
    simulated       by `simulate`; nan if the lead does not change
    plateau_logit, plateau_rate   W* and p*
    """

    closed_form: float
    adiabatic: float
    simulated: float
    plateau_logit: float
    plateau_rate: float

    def error(self, which: str = "closed_form") -> float:
        """estimate / simulated - 1, of "closed_form" or "adiabatic"."""
        return float(getattr(self, which)) / self.simulated - 1.0

    def __repr__(self) -> str:
        from .display import number, text

        rows = [("simulated", number(self.simulated))]
        for name in ("closed_form", "adiabatic"):
            rows.append((name, f"{number(getattr(self, name))} ({self.error(name):+.1%})"))
        rows.append(("plateau", f"logit {number(self.plateau_logit)}, rate {number(self.plateau_rate)}"))
        return text("TimeEstimate (flow time)", rows)


def plateau(model: Dynamics, circuit: int) -> tuple[float, float]:
    """(W*, p*) with only one circuit grown: p(W*) = a W*^(r-1)."""
    alone = pack(model, {}, 1, None, Thresholds())
    slope = np.full_like(alone.slope, np.inf)
    slope[0, circuit] = alone.slope[0, circuit]
    object.__setattr__(alone, "slope", slope)
    logit = float(follow_to_limit(alone)[0, circuit])
    return logit, float(wrong_probability(logit, model.num_classes))


def mirror_time(logit: float, invariant: float, rate: float, seed: float = 0.0) -> float:
    """(6.1) flow time for a circuit to grow from logit `seed` to `logit` at dθ/dt = `rate`."""
    return float((flow.mirror(logit, invariant) - flow.mirror(seed, invariant)) / rate)


def adiabatic_time(model: Dynamics, leader: int, rival: int, seed: float) -> float:
    """Flow time along the slow path for circuit `rival` to grow from mirror coordinate `seed` to the leader's logit.

    nan if the path does not get there.
    """
    s, a, r = model.invariants[[leader, rival]], model.slopes[[leader, rival]], model.degree
    top, _ = plateau(model, leader)

    def excess(lead: FloatArray, follow: FloatArray) -> tuple[FloatArray, FloatArray]:
        """p(S) less the weighted mean of the penalties' slopes, and the rival's rate."""
        w = flow.mobility(np.stack([lead, follow], axis=-1), s)
        slope = a * np.stack([lead, follow], axis=-1) ** (r - 1.0)
        mean = np.sum(w * slope, axis=-1) / np.sum(w, axis=-1)
        return wrong_probability(lead + follow, model.num_classes) - mean, mean - slope[..., 1]

    # The two meet where they are equal on the slow path; before that the leader lies between there and its plateau.
    meet = float(_bisect(lambda x: excess(x, x)[0], np.zeros(1), np.full(1, top))[0])
    end = float(flow.mirror(meet, s[1]))
    if not end > seed:
        return float("nan")
    nodes, weights = np.polynomial.legendre.leggauss(200)
    follow = flow.logit_from_mirror(seed + 0.5 * (end - seed) * (nodes + 1.0), s[1])
    lead = _bisect(lambda x: excess(x, follow)[0], np.full(200, 0.5 * meet), np.full(200, 1.5 * top))
    rate = excess(lead, follow)[1]
    return float(0.5 * (end - seed) * np.sum(weights / rate)) if np.all(rate > 0.0) else float("nan")


def grokking_time(model: Dynamics | None = None, t_end: float | None = None) -> TimeEstimate:
    """(6.1) time from scratch until Gen takes the lead from Mem, estimated and simulated.

    t_end   how long to simulate; default ten times the closed form.
    With several circuits of a kind, the most efficient of each.  ValueError without weight decay.
    """
    model = as_model(model)
    steady_state(model)  # refuses what has no plateau
    gen, mem = _best(model)
    level, rate = plateau(model, mem)
    s = model.invariants
    closed = mirror_time(0.5 * level, s[gen], rate)
    # While the leader learns, the penalties are small and all mirror coordinates climb together, at a rate of nearly 1.
    climb = float(flow.mirror(level, s[mem]))
    slow = climb + adiabatic_time(model, mem, gen, climb)
    run = simulate(model, 10.0 * closed if t_end is None else t_end)
    return TimeEstimate(closed, slow, float("nan") if run.t_cross is None else run.t_cross, level, rate)


def ungrokking_time(
    model: Dynamics | None = None, dataset_size: float | None = None, t_end: float | None = None
) -> TimeEstimate:
    """(6.2) time until Mem takes the lead when a network that has grokked goes on with a smaller data set.

    The run starts at the steady state of `model` at its own data set size, and goes on with `dataset_size` (default: half
    of D_crit).  Mem grows from the seed that survives there.  ValueError if the model does not end with Gen in the lead.
    """
    model = as_model(model)
    before = steady_state(model)
    if before.gen_logit <= before.mem_logit:
        raise ValueError(
            f"ungrokking needs a model that generalises at its own data set size, got one that ends with gen "
            f"{before.gen_logit:.4g} and mem {before.mem_logit:.4g}. Start above D_crit: model.at_dataset_size(...)."
        )
    size = 0.5 * critical_dataset_size(model) if dataset_size is None else dataset_size
    after = model.at_dataset_size(size)
    gen, mem = _best(after)
    level, rate = plateau(after, gen)
    s = model.invariants
    seed = float(before.logits[mem])
    closed = mirror_time(0.5 * level, s[mem], rate, seed)
    run = simulate(after, 10.0 * max(closed, 1.0 / rate) if t_end is None else t_end, start=before.logits.tolist())
    slow = adiabatic_time(after, gen, mem, float(flow.mirror(seed, s[mem])))
    return TimeEstimate(closed, slow, _crossing(run.time, run.mem_logit - run.gen_logit), level, rate)


def _best(model: Dynamics) -> tuple[int, int]:
    """Positions of the most efficient circuit of each kind."""
    eta, g = model.efficiencies, model.num_gen
    return int(np.argmax(eta[:g])), g + int(np.argmax(eta[g:]))


def _bisect(f: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Where a falling f is 0, elementwise; one of the ends where it does not change sign."""
    for _ in range(100):
        middle = 0.5 * (low + high)
        above = f(middle) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 0.5 * (low + high)


def _crossing(time: FloatArray, lead: FloatArray) -> float:
    """Time since which `lead` is positive, between the kept times by linear interpolation; nan if never."""
    behind = np.flatnonzero(lead <= 0.0)
    if lead[-1] <= 0.0 or behind.size == 0:
        return float("nan") if lead[-1] <= 0.0 else float(time[0])
    k = behind[-1]
    return float(time[k] - lead[k] * (time[k + 1] - time[k]) / (lead[k + 1] - lead[k]))
