"""What the laws of networks at rest (toymodel/README.md, section 8) share: their networks, and lone circuits among them.

Margins are means over examples, in nats: t in training, u never seen; m = t − u is what was memorised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

import toymodel as tm
from validate.matching.efficiency import degree
from validate.measured import MissingResult, Results

__all__ = [
    "GROKKED",
    "MODULAR_LAWS",
    "NEW",
    "Pair",
    "alone",
    "circuits",
    "decisive",
    "grokked",
    "mixtures",
    "paired",
    "settings",
]

MODULAR_LAWS = ("laws-113", "laws-67", "laws-97", "laws-width-128", "laws-div", "laws-43")
"""Settings that were trained after the laws had been stated: moduli, widths and seeds that none of them had seen"""
UNSEEN = ("laws-97", "laws-113", "laws-43")
"""Those whose lone circuits were trained after P16 and P18 had taken their present form; Mem-only networks came last"""
NEW = tuple(f"{setting}/memorising_coupled" for setting in UNSEEN)
GROKKED = 0.75
"""A network has grokked if its margin on pairs never seen is at least this share of that in training"""


class Pair(NamedTuple):
    """One seed of one setting: the fit of its lone circuits, their networks, and its networks that had grokked."""

    setting: str
    seed: int
    lone: tm.CircuitFit
    alone: pd.DataFrame
    grokked: pd.DataFrame


def settings(results: Results, kind: str) -> list[str]:
    """Those of MODULAR_LAWS that have runs of `kind`. Errors: MissingResult if none has."""
    there = [name for name in MODULAR_LAWS if f"{name}/{kind}" in results]
    if not there:
        raise MissingResult(f"no networks of kind {kind!r} were trained for the laws; profile standard has them.")
    return there


def _fitted(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.train >= 0.99) & np.isfinite(table.logit) & np.isfinite(table.train_margin)]


def mixtures(results: Results, setting: str) -> pd.DataFrame:
    """Networks that had grokked and were trained on, with many pairs and with few. Errors: MissingResult."""
    return _fitted(results.together(f"{setting}/ungrokking_coupled", f"{setting}/generalising_coupled"))


def alone(results: Results, setting: str) -> pd.DataFrame:
    """Mem-only networks: random labels. Errors: MissingResult."""
    return _fitted(results.table(f"{setting}/memorising_coupled"))


def grokked(nets: pd.DataFrame, share: float = GROKKED) -> pd.DataFrame:
    """Those whose margin on pairs never seen is at least `share` of their training margin."""
    return nets[nets.unseen_margin >= share * nets.train_margin]


def circuits(
    results: Results, setting: str, decay: float, seed: int | None = None
) -> tuple[tm.CircuitFit, pd.DataFrame]:
    """Numbers of lone circuits at one weight decay, and the networks they are of; κ is their measured homogeneity.

    Gen-only are the networks of kind generalising_coupled that are right on 99 % of the pairs never seen. With `seed`,
    only that seed's networks: seeds of one setting have critical sizes apart by as much as a factor of 1.5.
    Errors: MissingResult where either circuit is missing.
    """
    gen, mem = _fitted(results.table(f"{setting}/generalising_coupled")), alone(results, setting)
    gen, mem = gen[(gen.weight_decay == decay) & (gen.test >= 0.99)], mem[mem.weight_decay == decay]
    kappa = degree(gen, mem)
    if seed is not None:
        gen, mem = gen[gen.seed == seed], mem[mem.seed == seed]
    if gen.empty or mem.dataset_size.nunique() < 2:
        raise MissingResult(
            f"setting {setting!r} has {len(gen)} Gen-only networks and Mem-only ones of {mem.dataset_size.nunique()} sizes "
            f"at weight decay {decay:g}{'' if seed is None else f', seed {seed}'}."
        )
    nets = pd.concat([gen.assign(circuit="Gen"), mem.assign(circuit="Mem")], ignore_index=True)
    return tm.fit_circuits(gen, mem, kappa=kappa), nets


def paired(results: Results, names: Iterable[str], decay_of: Callable[[str], float]) -> Iterator[Pair]:
    """Each seed of the settings `names` that has both its lone circuits and networks that had grokked.

    decay_of    weight decay by setting
    """
    for setting in names:
        decay = decay_of(setting)
        try:
            nets = mixtures(results, setting)
        except MissingResult:
            continue
        for seed, grokked in nets[nets.weight_decay == decay].groupby("seed"):
            try:
                yield Pair(setting, int(seed), *circuits(results, setting, decay, int(seed)), grokked)
            except MissingResult:
                continue


def decisive(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of settings that no rule had seen, and the others; all and none as long as none of the first is there."""
    new = table.setting.isin(UNSEEN)
    return (table[new], table[~new]) if new.any() else (table, table.iloc[:0])
