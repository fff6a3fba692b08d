"""Sliders for a measured run: the toy gets the run's times and norm, and what it cannot have is said.

A toy can have four things of a network at once: q, D, the ratio t_gen / t_fit (by the weight decay, and where that is not
enough by Gen's learning speed), and the norm at the end (η times c with α times c² changes nothing else).  Steps are then
stretched so that t_fit is met too.  A run that does not come to generalise has no t_gen; there α is set for the logit at its
end.  One run does not tell where D_crit is: it is put on the side of D where the run ended, or where it stands so far.
"""

import math
from typing import Any

import numpy as np

import toymodel as tm

from ..behaviours import COMPREHENSION, GROKKING, SEMI_COMPREHENSION, SEMI_GROKKING, UNFINISHED
from . import settings
from .nets import Net
from .settings import DEFAULTS, REFERENCE_SIZE, SLIDERS

# How far D is from D_crit, as a factor, on the side where the run ended; the paper's run is as far.
APART = 4.0
DECAYS = np.geomspace(1e-7, 0.3, 40)
SPEEDS = np.array([0.005, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
LONG = 1e9


def matched(net: Net) -> tuple[dict[str, float], list[str]]:
    """Values of all sliders, and in words what they match and what they cannot."""
    found = net.reading
    general = found.behaviour in (GROKKING, COMPREHENSION)
    between = found.behaviour in (SEMI_GROKKING, SEMI_COMPREHENSION)
    size = float(net.config.get("dataset_size") or DEFAULTS["dataset_size"])
    unfinished, high = found.behaviour == UNFINISHED, net.test[1][-1] > 0.5 * (1.0 + net.chance)
    critical = size / APART if general or (unfinished and high) else size if between else size * APART
    values = DEFAULTS | {
        "num_classes": float(net.num_classes or DEFAULTS["num_classes"]),
        "dataset_size": size,
        "mem_efficiency": (critical / REFERENCE_SIZE) ** DEFAULTS["exponent"],
    }
    said: list[str] = []
    logit = net.end("train_logit")
    grown = net.test[1][0] > 0.5 * (1.0 + net.chance)
    if grown:  # as Gen alone rests
        rest = tm.steady_state(settings.model(values | {"dataset_size": 100.0 * critical}))
        values |= {"gen_initial_logit": rest.gen_logit, "mem_initial_logit": rest.mem_logit}
        said.append("It starts as the toy rests on much data.")
    if general and found.t_fit > 0.0 and not grown:
        said.append(_times(values, found.t_gen / found.t_fit))
        measured = f" (measured {logit:.3g} nats)" if logit > 0.0 else ""
        said.append(f"The logit at the end stays the toy's{measured}: α sets it and the times at once.")
    elif logit > 0.0:
        rests = tm.sweep(settings.model(values), 1.0, progress=False, threads=1, weight_decay=DECAYS)
        ends = np.asarray(rests.limit_gen_logit + rests.limit_mem_logit)
        values["weight_decay"] = float(np.exp(np.interp(-logit, -ends, np.log(DECAYS))))
        said.append("α is set so that the toy rests at the run's last logit.")
    values["t_end"] = _end(net, values)
    norm = net.end("norm")
    if norm > 0.0:
        scale = float(tm.simulate(settings.model(values), values["t_end"]).norm[-1]) / norm
        for name, power in (("gen_efficiency", 1), ("mem_efficiency", 1), ("weight_decay", 2)):
            values[name] *= scale**power
        said.append("The norm at the end is the run's.")
    side = "the side on which the run, unfinished, stands so far" if unfinished else "the run's side"
    said.append(f"D_crit is not told by one run; here it is {critical:.4g}, by which D ends on {side}.")
    kappa = net.end("homogeneity")
    if math.isfinite(kappa):
        said.append(
            f"κ stays {values['kappa']:g} (measured {kappa:.3g}): above 2 a circuit cannot start at 0, and one takes all."
        )
    settled = settings.settled(values)
    beyond = [SLIDERS[n].symbol for n, v in values.items() if not math.isclose(settled[n], v, rel_tol=1e-9)]
    if beyond:
        said.append(f"Beyond their sliders, so that they stand at an end: {', '.join(beyond)}.")
    return settled, said


def _times(values: dict[str, float], ratio: float) -> str:
    """Sets α, and Gen's learning speed if need be, for t_gen / t_fit = ratio; says how well that went."""
    model = settings.model(values)
    grid = tm.sweep(model, LONG, progress=False, threads=1, gen_learning_speed=SPEEDS, weight_decay=DECAYS)
    miss = np.log(np.asarray(grid.t_gen / grid.t_fit) / ratio)
    for speed, row in zip(SPEEDS, miss, strict=True):  # falls with α
        falls = np.flatnonzero((row[:-1] >= 0.0) & (row[1:] < 0.0))
        if falls.size:
            low, high = np.log(DECAYS[falls[0] : falls[0] + 2])
            values |= {"gen_learning_speed": float(speed), "weight_decay": _root(model, speed, ratio, low, high)}
            return "t_fit and t_gen are the run's."
    if np.isnan(miss).all():
        return "The toy does not come to generalise here."
    best = np.unravel_index(np.nanargmin(np.abs(miss)), miss.shape)
    values |= {"gen_learning_speed": float(SPEEDS[best[0]]), "weight_decay": float(DECAYS[best[1]])}
    return f"t_gen / t_fit = {ratio:.3g} is out of the toy's reach; the nearest is {ratio * math.exp(miss[best]):.3g}."


def _root(model: Any, speed: float, ratio: float, low: float, high: float) -> float:
    """α between ends in ln α at which t_gen / t_fit, which falls, passes `ratio`."""
    for _ in range(12):
        middle = 0.5 * (low + high)
        run = tm.simulate(
            model, LONG, times=[LONG], compiled=True, weight_decay=math.exp(middle), gen_learning_speed=speed
        )
        late = bool(run.t_gen and run.t_fit and run.t_gen > ratio * run.t_fit)
        low, high = (middle, high) if late else (low, middle)
    return math.exp(middle)


def _end(net: Net, values: dict[str, float]) -> float:
    """Flow time at which the run's last step is, t_fit or else the fall of accuracy through one half meeting it."""
    run, last = tm.simulate(settings.model(values), LONG, times=[LONG], compiled=True), float(net.test[0][-1])
    step, test = net.test
    if net.reading.t_fit > 0.0 and run.t_fit:
        return float(last * run.t_fit / net.reading.t_fit)
    lost = step[test < 0.5]
    if test[0] >= 0.5 > test[-1] and lost.size and run.t_lost:
        return float(last * run.t_lost / lost[0])
    return DEFAULTS["t_end"]
