"""Verdicts in Markdown, `verdicts.md`: the table, and what the theory gets wrong. Sections start with "## "."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realnet.records import write_atomically
from validate.prediction import REFUTED
from validate.verdicts import interval_words, number, region_words, runs_words, score

__all__ = ["beside", "markdown", "table", "write", "wrong"]


def _cell(text: str) -> str:
    return re.sub(r"[ \n\t]+", " ", str(text)).strip().replace("|", "\\|")


def table(content: Mapping[str, Any]) -> str:
    """The verdict table: a row for each number, the prediction and its verdict in the first of them."""
    rows = [
        "| prediction | verdict | measured (95 % interval, n seeds) | region | runs (censored) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for p in content["predictions"]:
        first = [f"**{p['id']}** {p['claim']}", f"**{p['verdict']}**"]
        for finding in p["findings"]:
            state = "" if len(p["findings"]) == 1 else f"; {finding['verdict']}"
            measured = f"{finding['criterion']}: {interval_words(finding)}{state}"
            cells = [*first, measured, region_words(finding), runs_words(finding)]
            rows.append("| " + " | ".join(_cell(c) for c in cells) + " |")
            first = ["", ""]
        if not p["findings"]:
            cells = [*first, "not measured", "; ".join(region_words(c) for c in p["criteria"]), "0 (0)"]
            rows.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    return "\n".join(rows) + "\n"


def wrong(content: Mapping[str, Any]) -> str:
    """Every number that was refuted, and every control that the same rule would refute, a line each."""
    lines = []
    for p in content["predictions"]:
        for found, name in [(f, f["criterion"]) for f in p["findings"]] + [(c, c["name"]) for c in p["controls"]]:
            if found.get("verdict") != REFUTED:
                continue
            rule = found if "region" in found else next(f for f in p["findings"] if name.startswith(f["criterion"]))
            decides = "" if "region" in found else " (a control: it decides nothing)"
            lines.append(
                f"- **{p['id']}** {p['claim']} {_capital(name)}: predicted {region_words(rule)}, measured "
                f"{interval_words(found | {'unit': rule['unit']})}{decides}."
            )
    return "\n".join(lines) or "Nothing was refuted on these data."


def _capital(text: str) -> str:
    """A sentence's first letter, but not that of a logarithm."""
    return text if text.startswith(("ln", "d ln")) else text[:1].upper() + text[1:]


def beside(content: Mapping[str, Any]) -> str:
    """What matching and forecasting found against the toy model beside the verdicts; only what its interval excludes."""
    tables = content["tables"]
    rows = {
        row["quantity"]: row for title in ("Matching", "Forecast: errors of times") for row in tables.get(title, [])
    }

    def excludes(name: str, value: float) -> bool:
        row = rows.get(name)
        return row is not None and not number(row["low"]) <= value <= number(row["high"])

    def said(name: str) -> str:
        row = rows[name]
        return interval_words(row | {"interval": [row["low"], row["high"]], "unit": row.get("unit", "1")})

    lines = []
    if excludes("β", 0.5):
        lines.append(f"- Mem's efficiency falls as D^−β with β = {said('β')}, not the 1/2 of orthogonal norms.")
    gap = "κ from norm against logit − from sharpness"
    if excludes(gap, 0.0):
        lines.append(
            f"- κ is {said('κ from norm against logit, Gen')} for Gen-only and {said('κ from norm against logit, Mem')} for "
            f"Mem-only nets from norm against logit, but {said('κ from sharpness')} from the sharpness of ungrokking: they "
            "disagree. Above 2 the theory has winner-takes-all and hysteresis, below 2 mixtures; the nets have both a gap "
            "between thresholds and a transition of finite width."
        )
    race = "d ln(gen/mem) at the fitted time / d ln D"
    if excludes(race, 0.0):
        lines.append(
            "- Learning speeds do not belong to the circuits: Gen over Mem when the training set is fitted goes as D to "
            f"the power {said(race)}, where the toy says 0."
        )
    skills = {(r["forecaster"], r["baseline"]): r for r in tables.get("Forecast: skill", []) if r["kind"] == "all"}
    toy, rule = (skills.get((name, "persistence")) for name in ("toy", "isologit"))
    if toy and rule and number(toy["error"]) > number(rule["error"]):
        lines.append(
            f"- The matched toy model gets {number(toy['error']):.0%} of {toy['cells']} held-out cells wrong, where its own "
            f"D_crit alone, D > D_crit, gets {number(rule['error']):.0%}: the dynamics at the matched κ add errors."
        )
    return "\n".join(lines)


def markdown(content: Mapping[str, Any]) -> str:
    """The whole file."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in score(content).items())
    p = content["provenance"]
    left = f"Not trained: {', '.join(content['untrained'])}. " if content["untrained"] else ""
    about = (
        f"Profile `{content['profile']}`: {counts}. {content['finished']} of {content['runs']} runs finished, on "
        f"{', '.join(p['device'])} ({', '.join(p['processor'])}), {', '.join(p['date']) or 'date not recorded'}. "
        f"{left}Intervals are 95 % over seeds; a number to which too many runs are censored decides nothing."
    )
    errors = f"{wrong(content)}\n{beside(content)}"
    return f"## Verdicts\n\n{about}\n\n{table(content)}\n## What the theory gets wrong\n\n{errors}\n"


def write(path: Path, content: Mapping[str, Any]) -> Path:
    """Write `markdown` to `path`; a kill leaves the old file or the new one. Errors: StorageError."""
    text = markdown(content)
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"))
    return path
