"""Verdicts as JSON, `verdicts.json`: plain dicts and lists of text, numbers, true, false and null.

A number that was not measured (nan) is null and an infinite one is "inf" or "-inf", so that the file is JSON everywhere;
`validate.words.number` reads both back. Numbers have six significant digits. What the file says about its data (when,
where, by which code) is what the runs recorded, so the same runs and the same code give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from realnet.config import from_dict
from realnet.records import write_atomically
from validate.experiments import PROFILES, experiments
from validate.measured import Results
from validate.prediction import ABSENT, CONFIRMED, INCONCLUSIVE, REFUTED, Column, Criterion, Estimate, Finding, Verdict
from validate.predictions.omnigrok.published import published
from validate.rivals import scorecard
from validate.studies import studies

__all__ = ["FORMAT", "data", "decided", "load", "plain", "save", "score", "words"]

FORMAT = 2
DIGITS = 6
PROVENANCE = ("date", "commit", "device", "processor", "platform", "python", "engine", "blas", "dtype", "versions")


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


def _estimate(estimate: Estimate) -> dict[str, Any]:
    i = estimate.interval
    about = {"value": i.value, "interval": [i.low, i.high], "n": i.n, "of": estimate.of}
    about |= {"runs": estimate.basis.runs, "moving": estimate.basis.moving}
    return about | {"note": estimate.note}


def _criterion(c: Criterion) -> dict[str, Any]:
    about = {"criterion": c.name, "unit": c.unit, "rule": c.rule, "region": [c.low, c.high], "why": c.why}
    return about | {"least_seeds": c.least_seeds, "power_planned": round(c.power(), 3)}


def _finding(finding: Finding) -> dict[str, Any]:
    power = round(finding.criterion.power(finding.estimate.interval.n), 3)
    return _criterion(finding.criterion) | _estimate(finding.estimate) | {"power": power, "verdict": finding.verdict}


def _column(column: Column) -> dict[str, Any]:
    m = column.measurement
    return {
        "verdict": column.verdict,
        "missing": column.missing,
        "findings": [_finding(f) for f in column.findings],
        "beside": [{"name": name} | _estimate(e) for name, e in m.beside.items()],
        "remarks": m.remarks,
        "tables": m.tables,
    }


def _verdict(v: Verdict) -> dict[str, Any]:
    p = v.prediction
    about = {"id": p.id, "claim": p.claim, "source": p.source, "statistic": p.statistic, "experiments": p.experiments}
    claims = {"decides": p.decides, "claimed": p.claimed, "unclaimed": p.unclaimed, "changed": p.changed,
              "registered": p.registered, "seen": v.seen, "standing": replace(p, seen=v.seen).standing,
              "says": p.says}  # fmt: skip
    columns = {protocol: _column(column) for protocol, column in v.columns.items()}
    return about | claims | {"verdict": v.verdict, "criteria": [_criterion(c) for c in p.criteria], "columns": columns}


def _about(results: Results) -> dict[str, Any]:
    """What the saved runs say of themselves: how many are wanted and how many of those are there, and their provenance.

    A profile wants its runs; of other results those that are saved are all that is known to be wanted.
    """
    states: dict[str, str] = {}
    found: dict[str, set[str]] = {name: set() for name in PROVENANCE}
    for name in results.names:
        ds = results.dataset(name)
        keys, status = ds.key.values.astype(str).ravel(), ds.status.values.astype(str).ravel()
        # By the name that the run has now: keys of older files go without the number of steps.
        runs = {key: from_dict(config).name for key, config in json.loads(ds.attrs["configs"]).items()}
        states |= {runs[k]: s for k, s in zip(keys, status, strict=True) if s != "absent"}
        for item in PROVENANCE:
            found[item] |= set(str(ds.attrs[item]).split(" | ")) if item in ds.attrs else set()
    profile = PROFILES.get(results.folder.name)
    wanted = {e.name: {run.name for run in e.runs} for e in experiments(profile)} if profile else {}
    names = set().union(*wanted.values()) if profile else set(states)
    return {
        "profile": results.folder.name,
        "runs": len(names),
        "finished": sum(states.get(name) == "finished" for name in names),
        "experiments": results.names,
        "untrained": [name for name in wanted if name not in results],
        "provenance": {item: sorted(values) for item, values in found.items()},
    }


def _cost(results: Results) -> dict[str, Any]:
    """Seconds of a core that the runs took, and how many runs, those that others start from included."""
    runs, seconds = 0, 0.0
    parents: dict[str, float] = {}
    for name in results.names:
        ds = results.dataset(name)
        took = ds.wall_time.values.astype(float).ravel()
        runs, seconds = runs + int(np.isfinite(took).sum()), seconds + float(np.nansum(took))
        parents |= json.loads(ds.attrs.get("parents", "{}"))
    return {"trained": runs + len(parents), "core_seconds": seconds + sum(parents.values())}


def _is_rival(judged: Sequence[Mapping[str, Any]]) -> bool:
    return {"O1", "O2a"} <= {p["id"] for p in judged}


def data(verdicts: Sequence[Verdict], results: Results) -> dict[str, Any]:
    """Everything that was judged, in plain form. Errors: TypeError for a value without a place in JSON."""
    judged = [_verdict(v) for v in verdicts]
    beside = {"Published by Omnigrok's authors": published({"predictions": judged})} if _is_rival(judged) else {}
    tables = studies(results) | beside | {"Theory against theory": scorecard(judged)}
    return dict(
        plain({"format": FORMAT} | _about(results) | _cost(results) | {"predictions": judged, "tables": tables})
    )


def save(path: Path, content: Mapping[str, Any]) -> Path:
    """Write `content` of `data` as JSON; a kill leaves the old file or the new one. Errors: StorageError."""
    text = json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"))
    return path


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote. Errors: FileNotFoundError; ValueError if it is something else."""
    if not path.exists():
        raise FileNotFoundError(
            f"verdicts must be a file; there is none at {str(path)!r}. Make it: python -m validate run"
        )
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        stated = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise ValueError(
            f"{str(path)!r} must have format {FORMAT}; received {stated!r}. Judge the runs anew: "
            f"python -m validate report {path.parent}"
        )
    return found


def words(content: Mapping[str, Any]) -> dict[str, str]:
    """{id: verdict}"""
    return {p["id"]: p["verdict"] for p in content["predictions"]}


def decided(content: Mapping[str, Any]) -> dict[str, str]:
    """{id: verdict} of those that are confirmed or refuted."""
    return {id: verdict for id, verdict in words(content).items() if verdict in (CONFIRMED, REFUTED)}


def score(content: Mapping[str, Any]) -> dict[str, int]:
    """How many predictions have which verdict; those that were not tested are counted where there are any."""
    counts = Counter(words(content).values())
    found = {verdict: counts[verdict] for verdict in (CONFIRMED, REFUTED, INCONCLUSIVE)}
    return found | ({ABSENT: counts[ABSENT]} if counts[ABSENT] else {})
