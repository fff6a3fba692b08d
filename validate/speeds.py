"""The toy's clock and its two learning speeds, from one fitted and one grokking time (experiments.md 3; model.md 6).

The clock. Near rest an AdamW step is w ← w − (lr/(√v̂ + ε)) (∇L + α_eff w) with α_eff = λ (√v̂ + ε): gradient flow whose
flow time per step is lr λ/α_eff. It holds once the loss is small. Before, while gradients are far above ε, a step moves
every weight by about lr whatever the gradient is, and no flow time per step exists.

The speeds. For κ < 2 both are found: s_mem from the fitted time, s_gen from the grokking time. For κ ≥ 2 a circuit far
below the unstable mixture falls to its wall whatever its speed, and one above it takes over; what the grokking time says
is then the logit that Gen has when Mem has fitted, the seed, and no learning speed can be told from the runs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import toymodel as tm
from toymodel.times import plateau
from validate.intervals import Interval, over_seeds
from validate.measured import Results

__all__ = ["Speeds", "grokking", "learning_speeds", "race", "ungrokking"]

LEAST, MOST = 1e-6, 1e3
"""Range in which speeds (nats^(1/2)) and seeds (nats) are looked for"""
PRECISION = 1e-6
ROUNDS = 6


@dataclass(frozen=True)
class Speeds:
    """What the two calibration times say.

    model   the model with what was found in it; its data set size and weight decay are those of the calibration cell
    seed    κ ≥ 2: Gen's logit when Mem has fitted, nats; nan for κ < 2
    delay   steps of the calibration run that the clock does not cover: the fitted time for κ ≥ 2, else 0
    remark  what was assumed, and what could not be found
    known   whether the toy reproduces both calibration times at all
    """

    model: tm.TwoCircuitModel
    seed: float
    delay: float
    remark: str
    known: bool


def _falling_root(f: Callable[[float], float], target: float, low: float, high: float) -> float:
    """x in [low, high] at which a falling f, infinite where it never happens, is `target`; nan if it is nowhere."""
    if not f(high) <= target <= f(low):
        return math.nan
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if f(middle) > target else (low, middle)
        if high / low < 1 + PRECISION:
            break
    return math.sqrt(low * high)


def _or_never(time: float | None) -> float:
    return math.inf if time is None else time


def grokking(model: tm.TwoCircuitModel, t_end: float, seed: float = math.nan) -> float:
    """Flow time until Gen takes the lead, from scratch; from Mem's plateau with Gen at `seed` for κ ≥ 2; inf if never."""
    if model.kappa < 2:
        return _or_never(tm.simulate(model, t_end).t_cross)
    top = plateau(_alive(model), 1)[0]
    if seed >= top:
        return 0.0
    return _or_never(tm.simulate(_alive(model), t_end, start=[seed, top]).t_cross)


def ungrokking(model: tm.TwoCircuitModel, size: float, t_end: float, seed: float = math.nan) -> float:
    """Flow time until Mem takes the lead of a net at rest on the model's data set, trained on with `size`; inf if never.

    For κ ≥ 2 nothing of Mem survives in the theory; it starts at `seed`, taken to be the same as Gen's.
    """
    two = tm.steady_state(model).logits.tolist() if model.kappa < 2 else [plateau(_alive(model), 0)[0], seed]
    return _or_never(tm.simulate(_alive(model.at_dataset_size(size)), t_end, start=two).t_lost)


def _alive(model: tm.TwoCircuitModel) -> tm.TwoCircuitModel:
    """Above κ = 2 a model must say that its circuits start off the wall, though `start` says where."""
    if model.kappa < 2:
        return model
    gen, mem = (dataclasses.replace(c, initial_logit=1.0) for c in model.circuits)
    return dataclasses.replace(model, gen=gen, mem=mem)


def learning_speeds(model: tm.TwoCircuitModel, fitted: float, grokked: float, flow_per_step: float) -> Speeds:
    """Learning speeds of `model` at the calibration cell's data set size and weight decay, from two times in steps.

    fitted, grokked   steps to train accuracy 0.99 and to test accuracy 0.9, for good; toy: train loss below 0.1 ln q, and
                      Gen in the lead, at which a toy without spread over inputs has test accuracy 1
    flow_per_step     flow time of one optimizer step

    Seeds may be nan: then `known` is False.
    """
    if model.kappa >= 2:
        wanted = max(grokked - fitted, 0.0) * flow_per_step
        seed = _falling_root(lambda x: grokking(model, 4 * wanted, x), wanted, 1e-3, 60.0)
        found = "no seed gives the grokking time" if math.isnan(seed) else f"seed {seed:.3g} nats"
        remark = (
            f"κ = {model.kappa:.2f} ≥ 2: learning speeds cannot be told (a circuit below the unstable mixture dies at any "
            f"speed, and early optimizer steps have no flow time); the grokking time gives Gen's logit at the fitted time "
            f"instead, {found}, taken to be the same for all data set sizes and weight decays, and for Mem."
        )
        return Speeds(model, seed, fitted, remark, math.isfinite(seed))
    end = 4 * grokked * flow_per_step
    gen, mem = 1e-3, 1.0
    for _ in range(ROUNDS):  # each time depends on the other's speed only weakly
        before = (gen, mem)

        def with_speeds(s_gen: float, s_mem: float) -> tm.TwoCircuitModel:
            return model.with_parameters(gen_learning_speed=s_gen, mem_learning_speed=s_mem)

        def time_to_fit(s: float, other: float = gen) -> float:
            return _or_never(tm.simulate(with_speeds(other, s), end).t_fit)

        mem = _falling_root(time_to_fit, fitted * flow_per_step, LEAST, MOST)
        if math.isnan(mem):
            break

        def time_to_grok(s: float, other: float = mem) -> float:
            return grokking(with_speeds(s, other), end)

        gen = _falling_root(time_to_grok, grokked * flow_per_step, LEAST, min(mem, MOST))
        if math.isnan(gen) or max(abs(math.log(gen / before[0])), abs(math.log(mem / before[1]))) < 1e-4:
            break
    if math.isnan(gen) or math.isnan(mem):
        remark = "no pair of learning speeds gives the two times with this flow time per step."
        return Speeds(model, math.nan, math.nan, remark, False)
    return Speeds(with_speeds(gen, mem), math.nan, 0.0, f"s_mem = {mem:.3g}, s_gen = {gen:.3g} nats^(1/2).", True)


def race(results: Results, setting: str = "base") -> dict[str, Interval]:
    """Slope of ln(gen_logit/mem_logit) at the fitted time on ln D, from scratch.

    0 if learning speeds belong to the circuits: until penalties matter (3.6) gives W_gen/W_mem = (s_gen/s_mem)² at any D.
    """
    slopes = []
    by_seed: dict[int, list[tuple[float, float]]] = {}
    for run in results.runs(f"{setting}/scratch") if f"{setting}/scratch" in results else ():
        if run.status != "finished" or "gen_logit" not in run.full or not run.t_fit > 0:
            continue
        full = run.full.dropna("step", subset=["gen_logit", "mem_logit"])
        if full.sizes["step"] == 0:
            continue
        at = full.isel(step=int(np.argmin(np.abs(full.step.values - run.t_fit))))
        ratio = float(at.gen_logit) / float(at.mem_logit)
        if ratio > 0:
            by_seed.setdefault(int(run.config["seed"]), []).append(
                (math.log(run.config["dataset_size"]), math.log(ratio))
            )
    for points in by_seed.values():
        x, y = np.array(points).T
        if len(set(x)) >= 2:
            slopes.append(float(np.polyfit(x, y, 1)[0]))
    return {"d ln(gen/mem) at the fitted time / d ln D": over_seeds(slopes)} if slopes else {}
