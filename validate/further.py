"""What is measured beside the verdicts, as tables: matching, forecasts, studies, rival explanations.

Rows are plain, so that the report, the verdict file and the figures show the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validate import rivals
from validate.forecast import forecast
from validate.match import match
from validate.measured import MissingResult, Results
from validate.scaling import across_settings, summary
from validate.studies import STUDIES

__all__ = ["tables"]

Rows = list[dict[str, Any]]


def _remarks(texts: Sequence[str]) -> Rows:
    return [{"remark": text} for text in texts]


def _matching(results: Results) -> dict[str, Rows]:
    matched = match(results)
    return {"Matching": matched.to_rows(), "Matching: remarks": _remarks(matched.remarks)}


def _forecasts(results: Results) -> dict[str, Rows]:
    found = forecast(results)
    numbers = [
        {"quantity": name, "value": i.value, "low": i.low, "high": i.high, "n": i.n}
        for name, i in found.intervals.items()
    ]
    return {
        "Forecast: cells": found.rows,
        "Forecast: skill": found.skills,
        "Forecast: thresholds": found.thresholds,
        "Forecast: errors of times": numbers,
        "Forecast: remarks": _remarks(found.remarks),
    }


def _scaling(results: Results) -> dict[str, Rows]:
    rows = across_settings(results)
    return {"Forecast across settings": rows, "Forecast across settings: mean errors in ln D": summary(rows)}


def tables(results: Results, verdicts: Mapping[str, str]) -> dict[str, Rows]:
    """{title: rows} of everything there are runs for; `verdicts` {id: verdict} decide between explanations."""
    found: dict[str, Rows] = {}
    parts = {"Matching": _matching, "Forecast": _forecasts, "Forecast across settings": _scaling}
    for title, make in parts.items():
        try:
            found |= make(results)
        except (MissingResult, ValueError) as error:  # not trained, or no net accepted: say so in its place
            found[f"{title}: remarks"] = _remarks([str(error)])
    found |= {title: study(results) for title, study in STUDIES.items()}
    found |= {"Rival explanations": rivals.rows(), "Rival explanations after the verdicts": rivals.survivors(verdicts)}
    return {title: rows for title, rows in found.items() if rows}
