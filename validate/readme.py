"""Writes the tables of validate/README.md from the saved study: `python -m validate.readme`; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validate.__main__ import STUDY
from validate.measured import PROTOCOLS
from validate.predictions import OMNIGROK, PREDICTIONS
from validate.report import interval_words, number_words, rows_table, table, wrong
from validate.rivals import THEORIES, score_rows, scorecard
from validate.verdicts import load, number, score

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


def targets(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Numbers that Omnigrok's figures or notebooks show, beside those found here; null where it was not trained."""

    def near(id: str, column: str, name: str, value: str, **where: float) -> float | None:
        found = next(p for p in content["predictions"] if p["id"] == id)["columns"][column]["tables"].get(name, [])
        rows = [r for r in found if all(abs(number(r[k]) - v) <= 0.02 * abs(v) for k, v in where.items())]
        return sum(number(r[value]) for r in rows) / len(rows) if rows else None

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
        here = number(found[0]["value"]) if found else None
        rows.append({"what": f"{column}: exponent of the time to generalise on γ", "published": -1.0, "here": here})
    return rows


def rival(content: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """The rival theory's verdicts on its own tasks, and both theories on all predictions."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in score(content).items())
    left = ", ".join(content["untrained"])
    power = [{"rule": f"{p.id}: {c.name}", "region": c.rule, "power": round(c.power, 2), "seeds": c.seeds}
             for p in OMNIGROK.values() for c in p.criteria]  # fmt: skip
    card = scorecard([*study["predictions"], *content["predictions"]])
    names = list(THEORIES)
    short = [{"prediction": f"**{r['prediction']}** {r['claim']}", "verdict": f"**{r['verdict']}**",
              **{n: f"{r[n]}: {r[f'{n}, reason']}" for n in names}, "decides": r["decides"]} for r in card]  # fmt: skip
    both = "; ".join(f"{r['prediction']} ({r['verdict']})" for r in card if r["decides"] == "between both")
    alone = {n: "; ".join(f"{r['prediction']} ({r['verdict']})" for r in card if r["decides"] == n) for n in names}
    found = [
        {**r, "here": number_words(r["here"]), "published": number_words(r["published"])} for r in targets(content)
    ]
    return [
        f"## Omnigrok: the rival theory\n\n{content['finished']} of {content['runs']} runs finished: {counts}. "
        f"{f'Not trained: {left}. ' if left else ''}Columns are tasks; the first one claimed decides.\n\n{table(content)}",
        f"What stands in for what:\n\n{rows_table(content['tables'].get('Stand-ins', []))}",
        f"What these runs refute:\n\n{wrong(content)}\n",
        "Rules changed after `omnigrok-quick` was seen:\n\n"
        + "\n".join(f"- **{p.id}** {p.changed}" for p in OMNIGROK.values() if p.changed)
        + "\n",
        f"Power:\n\n{rows_table(power)}",
        f"Their published numbers beside those found here:\n\n{rows_table(found)}",
        f"## Theory against theory\n\nWhat each theory says of each prediction, with our reason (`rivals.py`). "
        f"Runs that decide between both, one saying what the other denies: {both or 'none'}. "
        f"Runs on which one alone stakes something: {'; '.join(f'{n}: {ids}' for n, ids in alone.items())}.\n\n"
        f"{rows_table(score_rows(card))}\n{rows_table(short)}",
    ]


def tables(content: Mapping[str, Any], other: Mapping[str, Any] | None = None) -> str:
    """Everything between the markers. other: the verdicts of the rival theory's runs."""
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
    return "\n".join(parts + (rival(other, content) if other else []))


def main(args: list[str]) -> int:
    """Write, or with --check compare; returns the exit status."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    other = STUDY.parent / "omnigrok" / "verdicts.json"
    both = tables(load(STUDY / "verdicts.json"), load(other) if other.exists() else None)
    new = f"{head}{BEGIN}\n{both}\n{END}{tail}"
    if "--check" in args:
        return int(new != text)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
