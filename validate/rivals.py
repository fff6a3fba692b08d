"""What explanations of grokking say of the predictions, and how the two theories on trial come off.

A stance is "predicts", "opposite", "allows" (either outcome is fine with it) or "silent". READINGS are those that the
authors of Varma et al. 2023 give of others' work in their public discussion, not how those others would put it; none has
been published beyond P4. THEORIES are ours, each with its reason, of the two that are on trial here; on P1 to P4
Omnigrok's is the published one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from validate.prediction import ABSENT, CONFIRMED, REFUTED

__all__ = ["STANCES", "THEORIES", "rival_rows", "score_rows", "scorecard"]

STANCES = ("predicts", "opposite", "allows", "silent")
READINGS = {
    "difficulty of representation learning (Liu et al. 2022)": (
        ("P1a P1b P4", "silent", "it has no two circuits that compete"),
        ("P2 P3", "opposite", "the representation is already there when pairs are removed"),
    ),
    "scale at initialisation, Omnigrok (Liu et al. 2023)": (
        ("P1a P1b P2 P3 P4", "silent", "it is about the start; opposite on P4 if nothing else mattered"),
    ),
    "slingshots (Thilak et al. 2022)": (
        ("P1a P1b P2 P3 P4", "silent", "it is about late instabilities of the optimizer"),
    ),
    "random walk among optima (Millidge 2022)": (
        ("P1a P1b", "silent", "it does not speak of norms"),
        ("P2 P3 P4", "opposite", "a net cannot walk away from generalisation, or it would without a change of data"),
    ),
    "simplicity of the generalising solution (Nanda et al. 2023, appendix E)": (
        ("P1a P1b P2 P3", "predicts", "circuit efficiency formalises it"),
        ("P4", "allows", "either outcome is compatible with it"),
    ),
}
EFFICIENCY, LU = "circuit efficiency", "Omnigrok"
THEORIES = {
    EFFICIENCY: (
        ("P1a P1b P2 P3 P4", "predicts", "its authors' own four predictions"),
        ("P5 P6", "predicts", "decay is the clock of a competition for norm"),
        ("P7 P13", "allows", "efficiencies say where nets rest, not how soon they leave where they are"),
        ("P8a P8b", "predicts", "D_crit is where efficiencies meet"),
        ("P9 P11 P12", "predicts", "the power law and the sharing of norm are its premises"),
        ("P10", "predicts", "a seed's own efficiency sets its D_crit"),
        ("P14", "allows", "efficiencies may change with width"),
        ("P15", "predicts", "its premise: circuits add the squares of their norms"),
        ("P16 P17 P18", "silent", "it has no formula for what is left of Mem"),
        ("P19", "allows", "its argument in words; the number is ours"),
        ("O1 O3 O6", "allows", "with the norm given, or a large start, it does not say which circuit comes first"),
        ("O2a O2b", "predicts", "only decay rewards efficiency, and in proportion to its strength"),
        ("O4", "allows", "a held norm makes circuits compete at once; how soon one wins it does not say"),
        ("O5 O8 O10", "silent", "it has no landscape, no optimizer and no rounding"),
        ("O7", "predicts", "what counts is norm per logit: at equal logits the norm alone decides nothing"),
        ("O9a O9b O9c", "predicts", "the same theory on another task"),
    ),
    LU: (
        ("P1a P1b P2 P3 P4", "silent", "it is about the start (reading of Varma et al.)"),
        ("P5", "predicts", "t = ln(w_0/w_c)/(γ × rate)"),
        (
            "P7 P13",
            "opposite",
            "a landscape over norm has no memory: the end depends on data and decay, not on the start",
        ),
        ("P6 P8a P8b P9 P10 P11 P12 P14 P15 P16 P17 P18 P19", "silent", "it has no two circuits"),
        ("O1 O2a O2b O3 O4 O5 O6", "predicts", "its own claims"),
        ("O7", "opposite", "the norm is its cause"),
        ("O8", "opposite", "the large start sits at a high norm; the optimizer's step is not in it"),
        ("O9a O9b O9c", "silent", "it has no two circuits"),
        ("O10", "opposite", "without decay norms only grow, away from the bottom of the U"),
    ),
}


def rival_rows() -> list[dict[str, object]]:
    """A row for each explanation and prediction: prediction, explanation, says, reason."""
    return [
        {"prediction": id, "explanation": name, "says": says, "reason": reason}
        for name, stances in READINGS.items()
        for ids, says, reason in stances
        for id in ids.split()
    ]


def _stance(theory: str, id: str) -> tuple[str, str]:
    return next((says, reason) for ids, says, reason in THEORIES[theory] if id in ids.split())


def scorecard(predictions: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Theory against theory: a row for each prediction of verdicts.json.

    Columns: prediction, claim, verdict, what each theory says with its reason, and `decides`: "between both" where one
    says what the other denies, else the theory that alone has something to lose, or "neither".
    """
    rows = []
    for p in predictions:
        (one, why), (other, because) = (_stance(theory, p["id"]) for theory in THEORIES)
        firm = [name for name, says in ((EFFICIENCY, one), (LU, other)) if says in ("predicts", "opposite")]
        decides = "between both" if {one, other} == {"predicts", "opposite"} else " and ".join(firm) or "neither"
        absent = "columns" in p and p["columns"][p["decides"]]["verdict"] == ABSENT
        verdict = ABSENT if absent else p["verdict"]
        rows.append({"prediction": p["id"], "claim": p["claim"], "verdict": verdict, EFFICIENCY: one,
                     f"{EFFICIENCY}, reason": why, LU: other, f"{LU}, reason": because,
                     "decides": decides})  # fmt: skip
    return rows


def score_rows(rows: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """How each theory comes off on the rows of `scorecard`: right, wrong, open (it speaks, nothing is decided), silent."""
    outcome = {("predicts", CONFIRMED): "right", ("predicts", REFUTED): "wrong",
               ("opposite", CONFIRMED): "wrong", ("opposite", REFUTED): "right"}  # fmt: skip
    table = list(rows)
    found = []
    for theory in THEORIES:
        counts: Counter[str] = Counter()
        for row in table:
            silent = "silent" if row[theory] in ("silent", "allows") else "open"
            counts[outcome.get((row[theory], row["verdict"]), silent)] += 1
        found.append({"theory": theory} | {name: counts[name] for name in ("right", "wrong", "open", "silent")})
    return found
