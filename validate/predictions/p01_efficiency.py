"""P1: Gen's efficiency does not depend on data set size, Mem's falls with it."""

from __future__ import annotations

from validate.matching.efficiency import alone_in, common_logit, gen_nets, mem_nets, norms_at, slopes
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Measurement, Prediction, nothing
from validate.predictions.shared import THEIR_FOUR, at_rest, estimate, records

__all__ = ["P1A", "P1B"]

GEN, MEM = "slope of ln η_gen on ln D", "slope of ln η_mem on ln D"
COLUMNS = ["dataset_size", "weight_decay", "seed", "norm", "logit", "gen_share", "homogeneity", "gradient_rest",
           "norm_drift", "norm_rests"]  # fmt: skip


def _measure(results: Results, protocol: str, name: str) -> Measurement:
    setting = alone_in(results, protocol)
    mem, gen = (nets(results, setting, protocol=protocol) for nets in (mem_nets, gen_nets))
    if mem.empty or gen.empty:
        return Measurement({name: nothing(f"needs networks of both circuits; there are {len(gen)} and {len(mem)}")})
    logit = common_logit(mem, gen)
    nets = gen if name == GEN else mem
    norms = norms_at(nets, logit)
    note = f"at a common logit of {logit:.3g} nats, at most {norms.reach.max():.2g} in ln s from a net's own"
    beside = {}
    if name == GEN:
        strict = gen_nets(results, setting, protocol=protocol, by="share")
        if len(strict):
            within = "the same, networks of the trigonometric subspace only"
            beside[within] = estimate(slopes(norms_at(strict, logit)), at_rest(strict, "norm"))
    tables = {"nets": records(nets[COLUMNS]), "norms": records(norms.assign(logit=logit))}
    return Measurement({name: estimate(slopes(norms), at_rest(nets, "norm"), note)}, beside, tables)


def _prediction(id: str, claim: str, criterion: Criterion) -> Prediction:
    def measure(results: Results, protocol: str) -> Measurement:
        if protocol == "AdamW" and "base/memorising" not in results:
            raise MissingResult("Mem-only networks under AdamW are not among these results; profile standard has them.")
        return _measure(results, protocol, criterion.name)

    return Prediction(
        id=id,
        claim=claim,
        source="Varma et al. 2023, section 4.1 and figure 3; (5.1)",
        statistic="per seed, minus the slope of ln norm on ln D at a common equivalent logit; t interval over seeds",
        claimed={
            "coupled": "efficiency is norm at a given logit, of a network at rest under the penalty",
            "AdamW": "the paper's own measurement",
        },
        experiments=(
            "base/memorising",
            "base/memorising_coupled",
            "base/generalising_coupled",
            "base/ungrokking",
            "base/scratch",
            "laws-43/memorising_coupled",
            "laws-43/generalising_coupled",
        ),
        criteria=(criterion,),
        measure=measure,
        registered="7e0760b",
        new=("laws-43/memorising_coupled",),
        changed="Gen networks are accepted by accuracy (99 % outside the training set) and not by the share of their "
        "logits in the trigonometric subspace, which chooses seeds; that number is beside. Coupled networks decide, "
        "because they rest. That form was set after the base's runs had been seen: new seeds, trained until their "
        "norms rest, decide now.",
        says=THEIR_FOUR,
    )


P1A = _prediction(
    "P1a",
    "Gen's efficiency does not depend on data set size.",
    Criterion(
        name=GEN,
        low=-0.1,
        high=0.1,
        why="an exponent of a tenth moves a norm by 7 % when D doubles",
        truth=-0.03,
        spread=0.02,
        seeds=4,
    ),
)
P1B = _prediction(
    "P1b",
    "Mem's efficiency falls as the data set grows.",
    Criterion(name=MEM, high=0.0, why="it falls", truth=-0.31, spread=0.01, seeds=4),
)
