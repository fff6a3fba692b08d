"""Verdicts as a type, and as JSON, `verdicts.json`: `encode` writes what `decode` reads, and nothing else reads it.

In JSON a number that was not measured (nan) is null and an infinite one is "inf" or "-inf", so that the file is JSON
everywhere. Numbers have six significant digits. What the file says about its data (when, where, by which code) is what
the runs recorded, so the same runs and the same code give the same bytes. What follows from the rest (rule, power,
verdict) is written for other readers and made anew when it is read.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from realnet.config import from_dict
from realnet.records import write_atomically
from validate.experiments import PROFILES, experiments
from validate.measured import Results
from validate.prediction import (
    ABSENT,
    CONFIRMED,
    INCONCLUSIVE,
    REFUTED,
    Basis,
    Claim,
    Column,
    Criterion,
    Estimate,
    Finding,
    Verdict,
)
from validate.predictions.omnigrok.published import published
from validate.rivals import scorecard
from validate.statistics.intervals import Interval
from validate.studies import studies

__all__ = ["FORMAT", "Judgement", "decode", "encode", "is_current", "judgement", "load", "number", "plain", "save"]

FORMAT = 3
DIGITS = 6
PROVENANCE = ("date", "commit", "device", "processor", "platform", "python", "engine", "blas", "dtype", "versions")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Verdicts on one folder of results, and what its runs say of themselves.

    runs, finished   how many are wanted, and how many of these are there
    trained          how many were trained, those that others start from included, in `core_seconds`
    experiments      that are there; `untrained` are not
    tables           beside the verdicts, {title: rows}
    """

    profile: str
    runs: int
    finished: int
    experiments: list[str]
    untrained: list[str]
    provenance: Mapping[str, list[str]]
    trained: int
    core_seconds: float
    verdicts: Sequence[Verdict]
    tables: Mapping[str, list[dict[str, Any]]]

    def __getitem__(self, id: str) -> Verdict:
        """The verdict on a prediction. Errors: KeyError."""
        known = {v.id: v for v in self.verdicts}
        if id not in known:
            raise KeyError(
                f"a prediction must be one of {', '.join(known)}; received {id!r}. If it is a new one, judge anew: "
                "python -m validate report"
            )
        return known[id]

    @property
    def words(self) -> dict[str, str]:
        """{id: verdict}"""
        return {v.id: v.verdict for v in self.verdicts}

    @property
    def decided(self) -> dict[str, str]:
        """{id: verdict} of those that are confirmed or refuted."""
        return {id: verdict for id, verdict in self.words.items() if verdict in (CONFIRMED, REFUTED)}

    @property
    def score(self) -> dict[str, int]:
        """How many predictions have which verdict; those that were not tested are counted where there are any."""
        counts = Counter(self.words.values())
        found = {verdict: counts[verdict] for verdict in (CONFIRMED, REFUTED, INCONCLUSIVE)}
        return found | ({ABSENT: counts[ABSENT]} if counts[ABSENT] else {})


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
    """A number as `plain` writes it: null is nan, "inf" infinite. Errors: ValueError for other text."""
    return math.nan if value is None else float(value)


def _restored(value: Any) -> Any:
    """What `plain` made of a table: null is nan and "inf" infinite, wherever they stand."""
    if isinstance(value, Mapping):
        return {key: _restored(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_restored(part) for part in value]
    return number(value) if value in (None, "inf", "-inf") else value


def _criterion(c: Criterion) -> dict[str, Any]:
    about = {"criterion": c.name, "unit": c.unit, "rule": c.rule, "region": [c.low, c.high], "why": c.why}
    planned = {"truth": c.truth, "spread": c.spread, "seeds": c.seeds, "least_seeds": c.least_seeds}
    return about | planned | {"power_planned": round(c.power(), 3)}


def _read_criterion(data: Mapping[str, Any]) -> Criterion:
    low, high = map(number, data["region"])
    named = {name: data[name] for name in ("unit", "why", "truth", "spread", "seeds", "least_seeds")}
    return Criterion(name=data["criterion"], low=low, high=high, **named)


def _estimate(e: Estimate) -> dict[str, Any]:
    i, basis = e.interval, e.basis._asdict()
    return {"value": i.value, "interval": [i.low, i.high], "n": i.n, "of": e.of} | basis | {"note": e.note}


def _read_estimate(data: Mapping[str, Any]) -> Estimate:
    low, high = map(number, data["interval"])
    interval = Interval(number(data["value"]), low, high, data["n"])
    return Estimate(interval, Basis(data["runs"], data["moving"]), data["note"], data["of"])


def _finding(f: Finding) -> dict[str, Any]:
    about = {"criterion": f.criterion.name, "rule": f.criterion.rule} | _estimate(f.estimate)
    return about | {"power": round(f.power, 3), "verdict": f.verdict}


def _column(column: Column) -> dict[str, Any]:
    return {
        "verdict": column.verdict,
        "missing": column.missing,
        "findings": [_finding(f) for f in column.findings],
        "beside": [{"name": name} | _estimate(e) for name, e in column.beside.items()],
        "remarks": column.remarks,
        "tables": column.tables,
    }


def _read_column(data: Mapping[str, Any], criteria: Sequence[Criterion]) -> Column:
    named = {c.name: c for c in criteria}
    findings = tuple(Finding(named[f["criterion"]], _read_estimate(f), f["verdict"]) for f in data["findings"])
    beside = {b["name"]: _read_estimate(b) for b in data["beside"]}
    return Column(data["verdict"], findings, beside, _restored(data["tables"]), tuple(data["remarks"]), data["missing"])


def _verdict(v: Verdict) -> dict[str, Any]:
    claim = {field.name: getattr(v.prediction, field.name) for field in fields(Claim)}
    follows = {"decides": v.decides, "standing": v.prediction.standing, "verdict": v.verdict}
    columns = {protocol: _column(column) for protocol, column in v.columns.items()}
    return claim | follows | {"criteria": [_criterion(c) for c in v.prediction.criteria], "columns": columns}


def _read_verdict(data: Mapping[str, Any]) -> Verdict:
    claim = {field.name: data[field.name] for field in fields(Claim)}
    claim |= {name: tuple(data[name]) for name in ("experiments", "new", "columns")}
    claim |= {"says": {theory: tuple(said) for theory, said in data["says"].items()}}
    claim |= {"criteria": tuple(map(_read_criterion, data["criteria"]))}
    columns = {name: _read_column(column, claim["criteria"]) for name, column in data["columns"].items()}
    return Verdict(Claim(**claim), columns)


def encode(found: Judgement) -> dict[str, Any]:
    """In plain form. Errors: TypeError for a value without a place in JSON."""
    about = {field.name: getattr(found, field.name) for field in fields(Judgement)}
    judged = {"predictions": [_verdict(v) for v in about.pop("verdicts")], "tables": about.pop("tables")}
    return dict(plain({"format": FORMAT} | about | judged))


def decode(data: Mapping[str, Any]) -> Judgement:
    """What `encode` made. Errors: KeyError for what is not there."""
    about = {field.name: data[field.name] for field in fields(Judgement) if field.name not in ("verdicts", "tables")}
    return Judgement(
        **about, verdicts=[_read_verdict(p) for p in data["predictions"]], tables=_restored(data["tables"])
    )


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


def judgement(verdicts: Sequence[Verdict], results: Results) -> Judgement:
    """Verdicts with all that belongs to them, as their file holds them. Errors: TypeError as for `encode`."""
    known = {v.id: v for v in verdicts}
    beside = {"Published by Omnigrok's authors": published(known)} if {"O1", "O2a"} <= set(known) else {}
    tables = studies(results) | beside | {"Theory against theory": scorecard(verdicts)}
    return decode(encode(Judgement(**_about(results), **_cost(results), verdicts=verdicts, tables=tables)))


def save(path: Path, found: Judgement) -> Path:
    """Write it as JSON; a kill leaves the old file or the new one. Errors: StorageError."""
    text = json.dumps(encode(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"))
    return path


def is_current(path: Path) -> bool:
    """Whether the file is of the format that `load` reads."""
    return bool(_stated(json.loads(path.read_text(encoding="utf-8"))) == FORMAT)


def _stated(content: Any) -> Any:
    return content.get("format") if isinstance(content, dict) else type(content).__name__


def load(path: Path) -> Judgement:
    """What `save` wrote. Errors: FileNotFoundError; ValueError if it is something else."""
    if not path.exists():
        raise FileNotFoundError(
            f"verdicts must be a file; there is none at {str(path)!r}. Make it: python -m validate run"
        )
    found = json.loads(path.read_text(encoding="utf-8"))
    if _stated(found) != FORMAT:
        raise ValueError(
            f"{str(path)!r} must have format {FORMAT}; received {_stated(found)!r}. Judge the runs anew: "
            f"python -m validate report {path.parent}"
        )
    return decode(found)
