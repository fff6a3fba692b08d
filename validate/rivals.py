"""What explanations of grokking say of the predictions, and how the two theories on trial come off.

A stance is "predicts", "opposite", "allows" (either outcome is fine with it) or "silent". READINGS are those that the
authors of Varma et al. 2023 give of others' work in their public discussion, not how those others would put it; none has
been published beyond P4. What the two on trial here say, each prediction holds itself (`says`): our reading, each with its
reason; on P1 to P4 Omnigrok's is the published one. They are compared only where they contradict each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from validate.prediction import CONFIRMED, REFUTED, Verdict

__all__ = ["BOTH", "THEORIES", "alone_rows", "outcome", "rival_rows", "score_rows", "scorecard"]

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
        (
            "P2 P3 P4",
            "opposite",
            "a network cannot walk away from generalisation, or it would without a change of data",
        ),
    ),
    "simplicity of the generalising solution (Nanda et al. 2023, appendix E)": (
        ("P1a P1b P2 P3", "predicts", "circuit efficiency formalises it"),
        ("P4", "allows", "either outcome is compatible with it"),
    ),
}
THEORIES = ("circuit efficiency", "Omnigrok")
"""The two on trial, as `Prediction.says` names them"""
BOTH = "between both"
"""What a prediction decides that one of them makes and the other contradicts"""
FIRM = {"predicts": CONFIRMED, "opposite": REFUTED}
"""The verdict that a stance has to come to, to be right"""


def outcome(says: str, verdict: str) -> str:
    """right, wrong or open, nothing being decided; what the theory says where that is neither yes nor no."""
    if says not in FIRM:
        return says
    return "right" if verdict == FIRM[says] else "wrong" if verdict in FIRM.values() else "open"


def rival_rows() -> list[dict[str, object]]:
    """A row for each explanation and prediction: prediction, explanation, says, reason."""
    return [
        {"prediction": id, "explanation": name, "says": says, "reason": reason}
        for name, stances in READINGS.items()
        for ids, says, reason in stances
        for id in ids.split()
    ]


def scorecard(verdicts: Iterable[Verdict]) -> list[dict[str, str]]:
    """Theory against theory: a row for each verdict.

    Columns: prediction, claim, verdict, what each theory says with its reason, and `decides`: "between both" where one
    predicts and the other says the opposite, else who stakes something: one theory alone, both alike, or "neither". A
    theory that a prediction's `says` does not name is silent on it.
    """
    rows = []
    for v in verdicts:
        said = {theory: v.prediction.says.get(theory, ("silent", "")) for theory in THEORIES}
        firm = [theory for theory, (says, _) in said.items() if says in FIRM]
        apart = {says for says, _ in said.values()} == set(FIRM)
        row = {"prediction": v.id, "claim": v.claim, "verdict": v.verdict}
        for theory, (says, reason) in said.items():
            row |= {theory: says, f"{theory}, reason": reason}
        rows.append(row | {"decides": BOTH if apart else " and ".join(firm) or "neither"})
    return rows


def score_rows(rows: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """How each theory comes off where the two contradict each other, on the rows of `scorecard`: right, wrong, open."""
    table = [row for row in rows if row["decides"] == BOTH]
    found = []
    for theory in THEORIES:
        counts = Counter(outcome(row[theory], row["verdict"]) for row in table)
        found.append({"theory": theory} | {name: counts[name] for name in ("right", "wrong", "open")})
    return found


def alone_rows(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Predictions on which only one theory stakes anything, on the rows of `scorecard`: no score comes of them."""
    found = []
    for row in rows:
        theory = row["decides"]
        if theory in THEORIES:
            came = outcome(row[theory], row["verdict"])
            found.append({"theory": theory, "prediction": row["prediction"], "says": row[theory], "came": came})
    return sorted(found, key=lambda row: THEORIES.index(row["theory"]))
