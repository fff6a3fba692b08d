"""Verdicts as JSON, `verdicts.json`.

One form in memory and on disk: plain dicts and lists of text, numbers, true, false and null. A number that was not
measured (nan) is null and an infinite one is "inf" or "-inf", so that the file is JSON everywhere; `number` reads both
back. Numbers have six significant digits, more than any of them is good for. What the file says about its data (when,
where, by which code) is what the runs recorded; nothing in it depends on when it was written, so the same runs and the
same code give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realnet.records import write_atomically
from validate.experiments import PROFILES
from validate.experiments import experiments as experiments_of
from validate.measured import Results
from validate.prediction import CONFIRMED, INCONCLUSIVE, REFUTED, Criterion, Estimate, Finding, Verdict

__all__ = [
    "FORMAT",
    "VERDICTS",
    "data",
    "interval_words",
    "load",
    "number",
    "number_words",
    "region_words",
    "runs_words",
    "save",
    "score",
    "words",
]

FORMAT = 1
VERDICTS = (CONFIRMED, REFUTED, INCONCLUSIVE)
DIGITS = 6

Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def plain(value: Any) -> Any:
    """`value` in the form above. Errors: TypeError for what JSON has no place for."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(part) for part in value]
    raise TypeError(
        f"a verdict's tables must hold text, numbers, truth values, lists and mappings; received {value!r} of type "
        f"{type(value).__name__}. Convert it where the table is made."
    )


def number(value: Any) -> float:
    """The number that `plain` wrote: null is nan, "inf" infinite. Errors: ValueError for other text."""
    return math.nan if value is None else float(value)


def _estimate(estimate: Estimate) -> dict[str, Any]:
    i = estimate.interval
    counts = {"n": i.n, "runs": estimate.runs, "censored": estimate.censored}
    return {"value": i.value, "interval": [i.low, i.high]} | counts | {"note": estimate.note}


def _criterion(c: Criterion) -> dict[str, Any]:
    region = {"rule": c.rule, "region": [c.low, c.high]}
    return {"criterion": c.name, "unit": c.unit} | region | {"why": c.why, "least_seeds": c.least_seeds}


def _finding(finding: Finding) -> dict[str, Any]:
    return _criterion(finding.criterion) | _estimate(finding.estimate) | {"verdict": finding.verdict}


def _verdict(v: Verdict) -> dict[str, Any]:
    p, m = v.prediction, v.measurement
    return {
        "id": p.id,
        "claim": p.claim,
        "source": p.source,
        "observable": p.observable,
        "statistic": p.statistic,
        "experiments": p.experiments,
        "verdict": v.verdict,
        "runs": v.runs,
        "censored": v.censored,
        "missing": v.missing,
        # Of a prediction without findings, what was asked is still said.
        "findings": [_finding(f) for f in v.findings],
        "criteria": [_criterion(c) for c in p.criteria],
        "controls": [{"name": name} | _estimate(e) | {"verdict": v.of_control(name)} for name, e in m.controls.items()],
        "remarks": m.remarks,
        "tables": m.tables,
    }


PROVENANCE = ("date", "commit", "device", "processor", "platform", "python", "engine", "blas", "dtype", "versions")


def untrained(results: Results) -> list[str]:
    """Experiments of the profile that the results are named after, and that they do not have."""
    profile = PROFILES.get(results.folder.name)
    return [e.name for e in experiments_of(profile) if e.name not in results] if profile else []


def _about(results: Results) -> dict[str, Any]:
    """What the saved runs say of themselves: how many, and every value of each item of provenance."""
    runs: dict[str, str] = {}
    found: dict[str, set[str]] = {name: set() for name in PROVENANCE}
    experiments = []
    for name in results.names:
        ds = results.dataset(name)
        keys, states = ds.key.values.astype(str).ravel(), ds.status.values.astype(str).ravel()
        own = {k: s for k, s in zip(keys, states, strict=True) if s != "absent"}
        runs |= own
        counts = Counter(own.values())
        experiments.append({"name": name, "runs": len(own), "finished": counts["finished"]})
        for item in PROVENANCE:
            found[item] |= set(str(ds.attrs[item]).split(" | ")) if item in ds.attrs else set()
    counts = Counter(runs.values())
    return {
        "profile": results.folder.name,
        "runs": len(runs),
        "finished": counts["finished"],
        "diverged": counts["diverged"],
        "experiments": experiments,
        "untrained": untrained(results),
        "provenance": {item: sorted(values) for item, values in found.items()},
    }


def data(verdicts: Sequence[Verdict], results: Results, tables: Tables | None = None) -> dict[str, Any]:
    """Everything that was judged, in plain form; `tables` {title: rows} are further results to show.

    Errors: TypeError for a value without a place in JSON.
    """
    about = {"format": FORMAT} | _about(results)
    whole = about | {"predictions": [_verdict(v) for v in verdicts], "tables": dict(tables or {})}
    return dict(plain(whole))


def save(path: Path | str, content: Mapping[str, Any]) -> Path:
    """Write `content` of `data` as JSON; a kill leaves the old file or the new one. Errors: StorageError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"))
    return path


def load(path: Path | str) -> dict[str, Any]:
    """What `save` wrote. Errors: FileNotFoundError; ValueError if it is something else."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"verdicts must be a file; there is none at {str(path)!r}. Make it: python -m validate run"
        )
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        stated = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{str(path)!r} must have format {FORMAT}; received {stated!r}. Judge the runs anew.")
    return found


def score(content: Mapping[str, Any]) -> dict[str, int]:
    """How many predictions have which verdict."""
    counts = Counter(p["verdict"] for p in content["predictions"])
    return {verdict: counts[verdict] for verdict in VERDICTS}


def words(content: Mapping[str, Any]) -> dict[str, str]:
    """{id: verdict}"""
    return {p["id"]: p["verdict"] for p in content["predictions"]}


def number_words(value: Any) -> str:
    """Three significant digits; "not measured" for null."""
    x = number(value) + 0.0  # no −0
    if math.isnan(x):
        return "not measured"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.0f}" if 1000 <= abs(x) < 1e6 else f"{x:.3g}"
    return text.replace("-", "−")


def interval_words(finding: Mapping[str, Any]) -> str:
    """value (low to high, n = 3), with the unit unless it is a pure number."""
    n = f"n\u00a0=\u00a0{finding['n']}"  # stays on one line
    if math.isnan(number(finding["value"])):
        return f"not measured ({n})"
    low, high = (number_words(end) for end in finding["interval"])
    unit = "" if finding.get("unit", "1") in ("1", "") else f" {finding['unit']}"
    return f"{number_words(finding['value'])}{unit} ({low} to {high}, {n})"


def region_words(criterion: Mapping[str, Any]) -> str:
    """The region in words, as short as the numbers measured."""
    low, high = criterion["region"]
    if math.isinf(number(low)):
        return f"below {number_words(high)}"
    if math.isinf(number(high)):
        return f"above {number_words(low)}"
    return f"within [{number_words(low)}, {number_words(high)}]"


def runs_words(finding: Mapping[str, Any]) -> str:
    """runs (censored)"""
    return f"{finding['runs']} ({finding['censored']})"
