"""Writes the tables of validate/README.md from the saved study: `python -m validate.readme`; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from validate.__main__ import STUDY
from validate.measured import PROTOCOLS
from validate.predictions import OMNIGROK, PREDICTIONS
from validate.predictions.p08_critical_size import BALANCES
from validate.predictions.shared import LARGE
from validate.report import interval_words, number_words, rows_table, table, wrong
from validate.rivals import THEORIES, score_rows, scorecard
from validate.verdicts import load, number, score

__all__ = ["main", "tables"]

README = Path(__file__).parent / "README.md"
SHARINGS = ("ln μ from norms of mixtures", "ln μ from sharpness", "ln μ from corrupted labels")
WITHOUT = "the same without gain from sharing (μ = κ + 0.01)"
STARTS = ("Starts from mixtures", "How much of Gen is enough", "Escape at a constant rate")
AT_LARGE = (
    "Ungrokking at the paper's size",
    "From scratch at the paper's size",
    "The small network and the paper's size",
)
OWN, OWN_END = "<!-- own -->", "<!-- own end -->"
BEGIN, END = "<!-- tables -->", "<!-- end -->"


def _beside(content: Mapping[str, Any], id: str, protocol: str, *names: str) -> str:
    column = next(p for p in content["predictions"] if p["id"] == id)["columns"][protocol]
    found = {b["name"]: b for b in column["beside"]}
    return "; ".join(f"{name} {interval_words(found[name])}" for name in names if name in found)


def _rows(content: Mapping[str, Any], id: str, name: str, protocol: str = "coupled") -> str:
    rows = _table(content, id, name, protocol)
    return rows_table(rows) if rows else "Not measured.\n"


def _table(content: Mapping[str, Any], id: str, name: str, protocol: str = "coupled") -> list[dict[str, Any]]:
    column = next(p for p in content["predictions"] if p["id"] == id)["columns"][protocol]
    return list(column["tables"].get(name, []))


def _found(content: Mapping[str, Any], id: str, which: int, protocol: str = "coupled") -> str:
    column = next(p for p in content["predictions"] if p["id"] == id)["columns"][protocol]
    return interval_words(column["findings"][which]) if column["findings"] else "not measured"


NUMBERS: dict[str, tuple[str, int]] = {
    "meet": ("P8a", 0),
    "decay": ("P3", 0),
    "seeds": ("P10", 0),
    "logits": ("P11", 0),
    "norms": ("P11", 1),
    "labels": ("P12", 1),
    "ends": ("P13", 0),
    "warning": ("P13", 1),
    "gap": ("P7", 0),
    "kept": ("P7", 1),
}
"""Prediction and criterion of each number in the findings"""


def _lost(row: Mapping[str, Any]) -> str:
    """Those that did not get it back, if any."""
    if not row["lost"]:
        return ""
    worst, best = (number_words(row[f"{which}_accuracy_lost"]) for which in ("least", "greatest"))
    return f" ({row['lost']} that start with {number_words(row['greatest_gen_lost'])} or less end at {worst} to {best})"


def _mixtures(content: Mapping[str, Any]) -> str:
    rows = content["tables"].get("How much of Gen is enough", [])
    if not rows:
        return ""
    runs = sum(r["kept"] + r["lost"] for r in rows)
    each = " and ".join(
        f"{number_words(r['least_gen_kept'])} nats ({number_words(r['least_accuracy_kept'])} of the pairs right) at "
        f"a penalty of {r['weight_decay']:g}" + _lost(r)
        for r in rows
    )
    return (
        f"Of {runs} nets that start with a part of Gen on {rows[0]['dataset_size']} pairs, beside a grown Mem, "
        f"{sum(r['kept'] for r in rows)} get all or most of it back, from as little as {each}; of "
        f"{sum(r['scratch_runs'] for r in rows)} nets from scratch on as many pairs or up to a sixth fewer "
        f"{sum(r['scratch_escaped'] for r in rows)} generalise. "
    )


def sharing(content: Mapping[str, Any]) -> str:
    """What the fitted μ is worth on held-out norms, plainly."""
    rows = {row["cells"]: row for row in _table(content, "P11", "held out")}
    fitted, none = (rows.get(name) for name in ("mixtures, held out", WITHOUT))
    if not fitted or not none:
        return ""
    worth = "misses" if none["rms_ln_norm"] <= fitted["rms_ln_norm"] else "gains on"
    return (
        f"On the cells' means the fitted μ {worth} what no gain from sharing at all forecasts: rms in ln norm "
        f"{number_words(fitted['rms_ln_norm'])} with it, {number_words(none['rms_ln_norm'])} without (μ = κ + 0.01, "
        "the blunt "
        "limit in which one circuit pays for all). The norms of mixtures do not support a gain from sharing.\n"
    )


def balance(content: Mapping[str, Any]) -> str:
    """Why accuracy passes 1/2 elsewhere than where W_gen = W_mem."""
    ratio = "ln(D where accuracy is 1/2 / D {})"
    equal, margin, singles, f, m = (
        _beside(content, "P8a", "coupled", name).removeprefix(name).strip()
        for name in (*(ratio.format(where) for where in BALANCES), "f", "m")
    )
    return (
        f"Accuracy passes 1/2 at other sizes than W_gen = W_mem: ln of their ratio is {equal}. The reason is that W "
        "is a mean "
        "correct logit, while a pair is right if its margin over the largest wrong logit is positive. Gen gives its "
        "runner-up "
        f"nearly as much as the right label, so that a nat of W_gen is worth f = {f} of margin, and a nat of W_mem "
        "costs m = "
        f"{m} on pairs that were not trained on. Both are measured on nets with one circuit only, and put the "
        "crossing where "
        f"f W_gen = m W_mem: there ln of the ratio is {singles}; where the measured mean margin is 0, {margin}. So the two "
        "circuits are equal in margins where accuracy is 1/2, and that is where P8a finds their efficiencies equal.\n"
    )


def escape(content: Mapping[str, Any]) -> str:
    """Which law of the time to generalise is left."""
    rows = _table(content, "P13", "laws in all", "AdamW")
    if not rows:
        return ""
    best, second = rows[0], rows[1]
    return (
        f'Over all weight decays at which each could be fitted, "{best["law"]}" is the best of the four on '
        f"{best['held_out_runs']} held-out runs, {number_words(best['log_likelihood_a_run'])} nats of log-likelihood "
        "a run against "
        f'{number_words(second["log_likelihood_a_run"])} of the next ("{second["law"]}"); it forecasts '
        f"{number_words(best['escapes_forecast'])} escapes where there were {best['escapes']}.\n"
    )


def _large(content: Mapping[str, Any], id: str, name: str) -> str:
    """What the paper's size says of the same, in brackets; nothing where it was not trained."""
    name = f"{name}, {LARGE}"
    found = _beside(content, id, "coupled", name).removeprefix(name).strip()
    return f" (at p = 113 {found})" if found else ""


def findings(content: Mapping[str, Any]) -> str:
    """The story in four findings, each with its numbers."""
    refuted = ", ".join(
        f"{p['id']} ({p['claim'].rstrip('.')})" for p in content["predictions"] if p["verdict"] == "refuted"
    )
    n = {name: _found(content, *where) for name, where in NUMBERS.items()}
    n["warned"] = _found(content, "P13", 1, "AdamW")
    wide, told = (
        _large(content, "P7", "gap ln(D_scratch / D_ungrokking) at the end"),
        _large(content, "P13", "AUC at equal D"),
    )
    return (
        f"1. **Nets ungrok where the efficiencies of the two circuits meet**: ln of the ratio of the two sizes is "
        f"{n['meet']}. "
        f"Weight decay moves that size by {n['decay']} in ln D over a factor of 100, and seeds with a less efficient Gen "
        f"lose it at larger D′, rank correlation {n['seeds']}.\n"
        "2. **Four numbers from nets with one circuit, and one for how circuits share norm, give nets with both**: the rms "
        f"error in ln of held-out logits is {n['logits']}, of norms {n['norms']}. The sharing is not universal: where Gen "
        f"and Mem serve different labels norms nearly add as squares, as the paper assumes (ln of the ratio of the two μ "
        f"{n['labels']}).\n"
        "3. **From scratch nets are kept from generalising, and what they lack is Gen's beginning.** Where nets that have "
        f"grokked stay grokked, nets from scratch stay at chance: accuracies differ by {n['ends']} at the same pairs and "
        f"penalty. {_mixtures(content)}They escape late and all the way; of the gap between the two thresholds, "
        f"{n['gap']} in "
        f"ln D{wide}, a share of {n['kept']} is left when training has tripled. W_gen when the training set is first "
        f"fitted tells which nets escape under AdamW (AUC {n['warned']}); under the coupled penalty it is {n['warning']}"
        f"{told}.\n"
        f"4. **What is refuted**: {refuted or 'nothing'}.\n"
    )


def moduli(content: Mapping[str, Any]) -> str:
    """How both thresholds grow with the modulus: slopes of their logarithms."""
    rows = _table(content, "P7", "by setting")
    if len({row["p"] for row in rows}) < 3:
        return ""
    ln_p = np.log([row["p"] for row in rows])
    down, up = (np.polyfit(ln_p, np.log([row[name] for row in rows]), 1)[0] for name in ("ungrokking", "scratch"))
    return (
        f"Over {len(rows)} moduli that of ungrokking grows as p to the power {number_words(down)}, that from scratch as p "
        f"to the power {number_words(up)}."
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
    power = [{"rule": f"{p.id}: {c.name}", "region": c.rule, "power": round(c.power(), 2), "seeds": c.seeds}
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
    power = ["| rule | region | power as planned | seeds planned | power as run | seeds |", "| --- |" + " --- |" * 5]
    for p in content["predictions"]:
        found = p["columns"][p["decides"]]["findings"]
        for i, c in enumerate(PREDICTIONS[p["id"]].criteria):
            run = f"{found[i]['power']:.2f} | {found[i]['n']}" if found else "not measured |"
            power.append(f"| {p['id']}: {c.name} | {c.rule} | {c.power():.2f} | {c.seeds} | {run} |")
    claims = ["| prediction | " + " | ".join(PROTOCOLS) + " |", "| --- | --- | --- |"]
    for p in PREDICTIONS.values():
        cells = [p.claimed.get(x) or f"not claimed: {p.unclaimed[x]}" for x in PROTOCOLS]
        claims.append(f"| {p.id} | " + " | ".join(cells) + " |")
    changed = [f"- **{p.id}** {p.changed}" for p in PREDICTIONS.values() if p.changed]
    large = [(title, content["tables"].get(title)) for title in AT_LARGE]
    parts = [
        f"## Four findings\n\n{findings(content)}",
        f"## Verdicts\n\n{content['finished']} finished runs: {counts}. A verdict in brackets is of a protocol for which "
        f"nothing is claimed.\n\n{table(content)}",
        f"## What the theory gets wrong\n\n{wrong(content)}\n",
        "## The theory's numbers\n\n"
        f"Single circuits: {_beside(content, 'P11', 'coupled', 'κ', 'η_gen', 'β', 'D_crit')}. Sharing: "
        f"{_beside(content, 'P12', 'coupled', *SHARINGS)}."
        f"\n\n{sharing(content)}\n{_rows(content, 'P11', 'held out')}",
        f"Outcomes after ungrokking, held out:\n\n{_rows(content, 'P11', 'outcomes')}",
        balance(content),
        f"## Escape from memorisation, coupled\n\n{_rows(content, 'P13', 'escapes')}",
        f"The threshold from scratch over that of ungrokking, by modulus (pairs; 95 % over seeds that have both). "
        f"{moduli(content)}\n\n{_rows(content, 'P7', 'by setting')}",
        "Laws of the time to generalise, fitted on every other size and held against those between, AdamW. "
        f"{escape(content)}\n"
        f"{_rows(content, 'P13', 'laws', 'AdamW')}\n{_rows(content, 'P13', 'laws in all', 'AdamW')}",
        *(f"### {title}\n\n{rows_table(content['tables'][title])}" for title in STARTS if title in content["tables"]),
        f"## D_crit by setting, coupled\n\n{_rows(content, 'P14', 'settings')}",
        "## The paper's size, p = 113, coupled\n\n"
        + "\n".join(f"### {title}\n\n{rows_table(rows) if rows else 'Not trained yet.'}" for title, rows in large),
        "## Claims by protocol\n\n" + "\n".join(claims) + "\n",
        "## Power of every rule\n\nHow often the rule decides, either way, if what was expected when it was fixed is "
        "true; simulated from the spread over seeds: with the seeds that were planned, and with those that the "
        "deciding number "
        "has (runs, for shares and an AUC).\n\n" + "\n".join(power) + "\n",
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
    before, _, rest = tail.partition(OWN)
    _, _, after = rest.partition(OWN_END)
    answer = (STUDY.parent / "own.txt").read_text(encoding="utf-8")
    tail = f"{before}{OWN}\n```\n{answer}```\n{OWN_END}{after}"
    new = f"{head}{BEGIN}\n{both}\n{END}{tail}"
    if "--check" in args:
        return int(new != text)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
