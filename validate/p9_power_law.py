"""P9: logit and norm obey a power law, which the paper's authors came to doubt."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validate.efficiency import gen_nets, mem_nets
from validate.laws import compare, curvature, delta_aic
from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import mean, nothing

__all__ = ["P9"]

AIC = "AIC of the power law less that of the better of affine and logarithmic"
BEND = "relative change of the exponent from low to high logits"


def _nets(results: Results, circuit: str) -> pd.DataFrame:
    # The coupled penalty comes to rest at logits from 6 to 17 nats; AdamW's all lie near 20.
    if circuit == "mem":
        return mem_nets(results, coupled=True)
    return gen_nets(results, coupled=True, by="accuracy")


def _by_seed(results: Results, circuit: str) -> tuple[Estimate, Estimate, list[dict[str, object]]]:
    nets = _nets(results, circuit)
    if nets.empty:
        return nothing("no nets at rest"), nothing("no nets at rest"), []
    differences, bends, rows = [], [], []
    for seed, group in nets.groupby("seed"):
        points = group.groupby("dataset_size").weight_decay.transform("nunique")
        group = group[points >= 2]
        if group.empty:
            continue
        arrays = (group.norm.to_numpy(float), group.logit.to_numpy(float), group.dataset_size.to_numpy())
        fits = compare(*arrays)
        differences.append(delta_aic(fits))
        bends.append(curvature(*arrays))
        for law, fit in fits.items():
            rows.append({"circuit": circuit, "seed": seed, "law": law, "aic": fit.aic, "n": fit.n,
                         "rms_ln_norm": float(np.sqrt(np.mean(np.square(fit.residuals))))})  # fmt: skip
    sizes = nets.groupby("dataset_size").weight_decay.nunique()
    note = f"{nets.dataset_size.nunique()} data set sizes with up to {sizes.max()} logits each, coupled L2 penalty"
    return mean(differences, len(nets), note=note), mean(bends, len(nets), note=note), rows


def _measure(results: Results) -> Measurement:
    aic, bend, rows = _by_seed(results, "mem")
    gen_aic, gen_bend, gen_rows = _by_seed(results, "gen")
    controls = {f"{AIC}, Gen-only nets": gen_aic, f"{BEND}, Gen-only nets": gen_bend}
    return Measurement({AIC: aic, BEND: bend}, controls, {"fits": rows + gen_rows})


P9 = Prediction(
    "P9",
    "Norm and logit obey a power law, logit ∝ norm^κ.",
    "Varma et al. 2023, section 3.2, doubted by its authors since; model.md 1",
    "Norm and equivalent logit of Mem-only nets at rest under a coupled L2 penalty, over weight decay and data set size.",
    "per seed, fits with a shared shape and a level for each size; t interval over seeds",
    ("base/memorising_coupled", "base/generalising_coupled"),
    (
        Criterion(AIC, "1", high=0.0, why="the power law describes the nets better than its rivals"),
        Criterion(BEND, "1", -0.1, 0.1, "one exponent serves the whole range"),
    ),
    _measure,
)
