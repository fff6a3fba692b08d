"""What rival explanations of grokking say of the paper's four predictions.

A stance is "predicts", "opposite", "allows" (either outcome is fine with it) or "silent". These are the readings that the
authors of Varma et al. 2023 give of others' work in their public discussion, not how those others would put it. Beyond P4 no
reading has been published, and none is given here.
"""

from __future__ import annotations

__all__ = ["STANCES", "rival_rows"]

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


def rival_rows() -> list[dict[str, object]]:
    """A row for each explanation and prediction: prediction, explanation, says, reason."""
    return [
        {"prediction": id, "explanation": name, "says": says, "reason": reason}
        for name, stances in READINGS.items()
        for ids, says, reason in stances
        for id in ids.split()
    ]
