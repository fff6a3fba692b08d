"""What Omnigrok's figures and notebooks show, beside what was found here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["published"]


def published(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of published numbers and those found here, None where it was not trained.

    content    {"predictions": ...} as in verdicts.json, before it is written
    """

    def near(id: str, column: str, name: str, value: str, **where: float) -> float | None:
        found = next(p for p in content["predictions"] if p["id"] == id)["columns"][column]["tables"].get(name, [])
        rows = [r for r in found if all(abs(float(r[k]) - v) <= 0.02 * abs(v) for k, v in where.items())]
        return sum(float(r[value]) for r in rows) / len(rows) if rows else None

    rows = []
    for alpha, loss in ((0.1, 0.0164), (0.251, 0.0023), (0.631, 8.6e-5), (1.0, 7.8e-5), (2.51, 0.041), (10.0, 9.6)):
        here = near("O1", "teacher", "landscape", "test_loss", init_scale=alpha, dataset_size=100)
        rows.append({"what": f"teacher, norm held at α = {alpha:g}: test loss", "published": loss, "here": here})
    for alpha, error in ((0.1, 0.82), (1.0, 0.18), (10.0, 0.85)):
        here = near("O1", "digits", "landscape", "test", init_scale=alpha, dataset_size=300)
        what = (
            f"digits, norm held at α = {alpha:g}: test error (theirs: 268 digits, least over training; here: 300, end)"
        )
        rows.append({"what": what, "published": error, "here": None if here is None else 1 - here})
    for alpha, error in ((0.1, 0.30), (10.0, 0.42)):
        here = near("O1", "text", "landscape", "test", init_scale=alpha)
        what = f"text, norm held at α = {alpha:g}: test error (theirs: LSTM)"
        rows.append({"what": what, "published": error, "here": None if here is None else 1 - here})
    exponent = next(p for p in content["predictions"] if p["id"] == "O2a")["columns"]
    for column in ("teacher", "digits", "addition"):
        found = exponent[column]["findings"]
        here = float(found[0]["value"]) if found else None
        rows.append({"what": f"{column}: exponent of the time to generalise on γ", "published": -1.0, "here": here})
    return rows
