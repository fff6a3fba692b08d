"""What Omnigrok's figures and notebooks show, beside what was found here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from validate.prediction import Verdict

__all__ = ["published"]


def published(verdicts: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """Rows of published numbers and those found here, nan where it was not trained; verdicts by their ids."""

    def near(column: str, value: str, **where: float) -> float:
        found = verdicts["O1"].column(column).tables.get("landscape", [])
        rows = [r for r in found if all(abs(float(r[k]) - v) <= 0.02 * abs(v) for k, v in where.items())]
        return sum(float(r[value]) for r in rows) / len(rows) if rows else math.nan

    rows = []
    for alpha, loss in ((0.1, 0.0164), (0.251, 0.0023), (0.631, 8.6e-5), (1.0, 7.8e-5), (2.51, 0.041), (10.0, 9.6)):
        here = near("teacher", "test_loss", init_scale=alpha, dataset_size=100)
        rows.append({"what": f"teacher, norm held at α = {alpha:g}: test loss", "published": loss, "here": here})
    for alpha, error in ((0.1, 0.82), (1.0, 0.18), (10.0, 0.85)):
        here = near("digits", "test", init_scale=alpha, dataset_size=300)
        what = (
            f"digits, norm held at α = {alpha:g}: test error (theirs: 268 digits, least over training; here: 300, end)"
        )
        rows.append({"what": what, "published": error, "here": 1 - here})
    for alpha, error in ((0.1, 0.30), (10.0, 0.42)):
        here = near("text", "test", init_scale=alpha)
        what = f"text, norm held at α = {alpha:g}: test error (theirs: LSTM)"
        rows.append({"what": what, "published": error, "here": 1 - here})
    for column in ("teacher", "digits", "addition"):
        here = verdicts["O2a"].number(0, column).value
        rows.append({"what": f"{column}: exponent of the time to generalise on γ", "published": -1.0, "here": here})
    return rows
