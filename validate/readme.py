"""Writes the tables of validate/README.md from the saved study: `python -m validate.readme`; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validate.__main__ import STUDY
from validate.measured import PROTOCOLS
from validate.predictions import PREDICTIONS
from validate.report import interval_words, rows_table, table, wrong
from validate.verdicts import load, score

__all__ = ["main", "tables"]

README = Path(__file__).parent / "README.md"
SHARINGS = ("ln μ from norms of mixtures", "ln μ from sharpness", "ln μ from corrupted labels")
BEGIN, END = "<!-- tables -->", "<!-- end -->"


def _beside(content: Mapping[str, Any], id: str, protocol: str, *names: str) -> str:
    column = next(p for p in content["predictions"] if p["id"] == id)["columns"][protocol]
    found = {b["name"]: b for b in column["beside"]}
    return "; ".join(f"{name} {interval_words(found[name])}" for name in names if name in found)


def _rows(content: Mapping[str, Any], id: str, name: str, protocol: str = "coupled") -> str:
    column = next(p for p in content["predictions"] if p["id"] == id)["columns"][protocol]
    rows = column["tables"].get(name, [])
    return rows_table(rows) if rows else "Not measured.\n"


def _found(content: Mapping[str, Any], id: str, which: int) -> str:
    column = next(p for p in content["predictions"] if p["id"] == id)["columns"]["coupled"]
    return interval_words(column["findings"][which]) if column["findings"] else "not measured"


NUMBERS: dict[str, tuple[str, int]] = {
    "meet": ("P8a", 0),
    "decay": ("P3", 0),
    "seeds": ("P10", 0),
    "logits": ("P11", 0),
    "norms": ("P11", 1),
    "labels": ("P12", 1),
    "ends": ("P13", 0),
    "gap": ("P7", 0),
    "kept": ("P7", 1),
}
"""Prediction and criterion of each number in the findings"""


def findings(content: Mapping[str, Any]) -> str:
    """The story in four findings, each with its numbers."""
    refuted = ", ".join(
        f"{p['id']} ({p['claim'].rstrip('.')})" for p in content["predictions"] if p["verdict"] == "refuted"
    )
    n = {name: _found(content, *where) for name, where in NUMBERS.items()}
    return (
        f"1. **Nets ungrok where the efficiencies of the two circuits meet**: ln of the ratio of the two sizes is "
        f"{n['meet']}. "
        f"Weight decay moves that size by {n['decay']} in ln D over a factor of 100, and seeds with a less efficient Gen "
        f"lose it at larger D′, rank correlation {n['seeds']}.\n"
        "2. **Four numbers from nets with one circuit, and one for how circuits share norm, give nets with both**: the rms "
        f"error in ln of held-out logits is {n['logits']}, of norms {n['norms']}. The sharing is not universal: where Gen "
        f"and Mem serve different labels norms nearly add as squares, as the paper assumes (ln of the ratio of the two μ "
        f"{n['labels']}).\n"
        "3. **From scratch there is a barrier.** Where nets that have grokked stay grokked, nets from scratch stay at "
        f"chance: accuracies differ by {n['ends']} at the same pairs and penalty. They escape late and all the way; of the "
        f"gap between the two thresholds, {n['gap']} in ln D, a share of {n['kept']} is left when training has tripled.\n"
        f"4. **What is refuted**: {refuted or 'nothing'}.\n"
    )


def tables(content: Mapping[str, Any]) -> str:
    """Everything between the markers."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in score(content).items())
    power = ["| rule | region | power | seeds planned |", "| --- | --- | --- | --- |"]
    for p in PREDICTIONS.values():
        power += [f"| {p.id}: {c.name} | {c.rule} | {c.power:.2f} | {c.seeds} |" for c in p.criteria]
    claims = ["| prediction | " + " | ".join(PROTOCOLS) + " |", "| --- | --- | --- |"]
    for p in PREDICTIONS.values():
        cells = [p.claimed.get(x) or f"not claimed: {p.unclaimed[x]}" for x in PROTOCOLS]
        claims.append(f"| {p.id} | " + " | ".join(cells) + " |")
    changed = [f"- **{p.id}** {p.changed}" for p in PREDICTIONS.values() if p.changed]
    curve = content["tables"].get("Ungrokking at the paper's size")
    parts = [
        f"## Four findings\n\n{findings(content)}",
        f"## Verdicts\n\n{content['finished']} finished runs: {counts}. A verdict in brackets is of a protocol for which "
        f"nothing is claimed.\n\n{table(content)}",
        f"## What the theory gets wrong\n\n{wrong(content)}\n",
        "## The theory's numbers\n\n"
        f"Single circuits: {_beside(content, 'P11', 'coupled', 'κ', 'η_gen', 'β', 'D_crit')}. Sharing: "
        f"{_beside(content, 'P12', 'coupled', *SHARINGS)}."
        f"\n\n{_rows(content, 'P11', 'held out')}",
        f"Outcomes after ungrokking, held out:\n\n{_rows(content, 'P11', 'outcomes')}",
        "Where accuracy passes 1/2 and where W_gen = W_mem are not the same place: "
        + _beside(content, "P8a", "coupled", "ln(D where accuracy is 1/2 / D where W_gen = W_mem)")
        + ". W_gen = W_mem is of mean logits; accuracy is lost pair by pair, and the logits of pairs vary.\n",
        f"## Escape from memorisation, coupled\n\n{_rows(content, 'P13', 'escapes')}",
        f"Laws of the time to generalise, fitted on every other size and held against those between, AdamW:\n\n"
        f"{_rows(content, 'P13', 'laws', 'AdamW')}",
        f"## D_crit by setting, coupled\n\n{_rows(content, 'P14', 'settings')}",
        f"## Ungrokking at p = 113, coupled\n\n{rows_table(curve) if curve else 'Not trained yet.'}",
        "## Claims by protocol\n\n" + "\n".join(claims) + "\n",
        "## Power of every rule\n\nHow often the rule decides, either way, if what was expected when it was fixed is "
        "true; simulated from the spread over seeds.\n\n" + "\n".join(power) + "\n",
        "## Rules that changed\n\nTheir old form, and why. The first rules were committed before `standard` was trained; "
        "these after an audit of it, and before the new seeds.\n\n" + "\n".join(changed) + "\n",
    ]
    return "\n".join(parts)


def main(args: list[str]) -> int:
    """Write, or with --check compare; returns the exit status."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    new = f"{head}{BEGIN}\n{tables(load(STUDY / 'verdicts.json'))}\n{END}{tail}"
    if "--check" in args:
        return int(new != text)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
