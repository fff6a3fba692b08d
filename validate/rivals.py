"""Rival explanations of grokking: what each says of every prediction, and what the verdicts leave of it.

A stance is "predicts", "opposite", "allows" (either outcome is fine with it) or "silent" (it says nothing). On P1 to P4
the stances are those that the authors of the two-circuit paper give in their public discussion: their reading of others'
work (experiments.md 6). On P5 to P10 they are this project's own extension, and each has its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["EXPLANATIONS", "IDS", "READING", "STANCES", "Explanation", "Stance", "rows", "survivors"]

IDS = ("P1a", "P1b", "P2", "P3", "P4", "P5", "P6", "P7", "P8a", "P8b", "P9", "P10")
STANCES = ("predicts", "opposite", "allows", "silent")
AUTHORS = ("P1a", "P1b", "P2", "P3", "P4")
READING = (
    "P1 to P4: how the authors of the two-circuit paper read the others in their public discussion, not how those would put "
    "it. P5 to P10: this project's extension, with a reason for each stance."
)


class Stance(NamedTuple):
    """What an explanation says of one prediction, and why."""

    says: str
    reason: str

    @property
    def committed(self) -> bool:
        """Whether an outcome could contradict it."""
        return self.says in ("predicts", "opposite")


@dataclass(frozen=True)
class Explanation:
    """An explanation of grokking, where it was given, and its stance on every prediction."""

    name: str
    source: str
    link: str
    stances: Mapping[str, Stance]

    def reading(self, prediction: str) -> str:
        """Whose reading the stance on `prediction` is."""
        return "the paper's authors" if prediction in AUTHORS else "this project"


def _explanation(name: str, source: str, link: str, stances: Mapping[str, tuple[str, str]]) -> Explanation:
    """`stances` by ids, several of them in one key where the reason is the same."""
    spread = {id_: Stance(*stance) for ids, stance in stances.items() for id_ in ids.split()}
    if set(spread) != set(IDS) or any(s.says not in STANCES or not s.reason for s in spread.values()):
        raise ValueError(
            f"an explanation needs a stance out of {', '.join(STANCES)} and a reason for each of {', '.join(IDS)}; "
            f"received {spread!r} for {name!r}. Add the missing ones."
        )
    return Explanation(name, source, link, {id_: spread[id_] for id_ in IDS})


EXPLANATIONS = (
    _explanation(
        "two circuits: efficiency",
        "Varma et al. 2023, Explaining grokking through circuit efficiency, arXiv 2309.02390",
        "https://arxiv.org/abs/2309.02390",
        {
            "P1a": ("predicts", "its premise: Gen has nothing to store, whatever the data set size"),
            "P1b": ("predicts", "its premise: Mem stores each example"),
            "P2": ("predicts", "below D_crit Mem is the more efficient one, and weight decay prefers it"),
            "P3": ("predicts", "equal efficiency does not depend on how strongly inefficiency is punished"),
            "P4": ("predicts", "near D_crit both stay; the authors grant that it need not happen in practice"),
            "P5": ("predicts", "the toy's plateau: Gen grows at a rate in proportion to weight decay"),
            "P6": ("predicts", "the same rate with the circuits' parts exchanged"),
            "P7": (
                "predicts",
                "κ > 2 makes both pure states stable, so the gap stays (derived here from the toy)",
            ),
            "P8a": ("predicts", "D_crit is the size of equal efficiency, and efficiency is norm at a common logit"),
            "P8b": (
                "predicts",
                "the paper has one D_crit; for κ > 2 the toy's hysteresis would put this threshold above it (model.md 6.3)",
            ),
            "P9": ("allows", "the power law is the toy's assumption, not the claim; the authors do not trust it"),
            "P10": (
                "allows",
                "D_crit follows from both efficiencies; that Gen's own decides between seeds is not said",
            ),
        },
    ),
    _explanation(
        "difficulty of representation learning",
        "Liu et al. 2022, Towards understanding grokking: an effective theory of representation learning, arXiv 2205.10343",
        "https://arxiv.org/abs/2205.10343",
        {
            "P1a P1b": ("silent", "says nothing about norms at equal logits"),
            "P2 P3": ("opposite", "the representation is already there and need not be learned again"),
            "P4": ("silent", "says nothing about ends halfway"),
            "P5": (
                "allows",
                "its phase diagrams order the phases along the decoder's weight decay but give no exponent",
            ),
            "P6": ("silent", "has no ungrokking whose time could change"),
            "P7": ("silent", "has a least size for learning from scratch and no second threshold"),
            "P8a P8b": ("silent", "its least size follows from the task's parallelograms, not from norms"),
            "P9": ("silent", "says nothing about norm and logit"),
            "P10": ("silent", "has no ungrokking threshold that could vary"),
        },
    ),
    _explanation(
        "scale of the initial parameters (Omnigrok)",
        "Liu, Michaud & Tegmark 2022, Omnigrok: grokking beyond algorithmic data, arXiv 2210.01117",
        "https://arxiv.org/abs/2210.01117",
        {
            "P1a P1b": ("silent", "one norm for the whole net, none for circuits"),
            "P2 P3": ("silent", "a net at the right norm generalises; what fewer examples do to it is left open"),
            "P4": ("silent", "opposite if nothing but the norm mattered: the right norm generalises wholly"),
            "P5": (
                "predicts",
                "weight decay λ takes the norm to the right one in a time ∝ 1/λ, the toy's exponent up to logs",
            ),
            "P6": ("silent", "the norm is already the right one: no time is given for leaving it"),
            "P7": ("silent", "no threshold of ungrokking"),
            "P8a P8b": ("silent", "does not compare norms of two solutions"),
            "P9": ("silent", "losses against norm are L- and U-shaped; no law of logit and norm is given"),
            "P10": ("silent", "no threshold of ungrokking"),
        },
    ),
    _explanation(
        "slingshots",
        "Thilak et al. 2022, The slingshot mechanism, arXiv 2206.04817",
        "https://arxiv.org/abs/2206.04817",
        {
            "P1a P1b": ("silent", "about optimizers, not about solutions"),
            "P2 P3": ("silent", "about how a net comes to generalise, not about how it stops"),
            "P4": ("silent", "says nothing about ends halfway"),
            "P5": ("silent", "observed without explicit regularisation; a dependence on weight decay is not given"),
            "P6": ("silent", "about how a net comes to generalise, not about how it stops"),
            "P7": ("silent", "has no threshold in the data set size"),
            "P8a P8b": ("silent", "has no threshold in the data set size"),
            "P9": ("silent", "the last layer's norm grows in cycles; no law of logit and norm is given"),
            "P10": ("silent", "has no threshold in the data set size"),
        },
    ),
    _explanation(
        "random walk among optima",
        "Millidge 2022, Grokking 'grokking', blog post",
        "https://www.beren.io/2022-01-11-Grokking-Grokking/",
        {
            "P1a P1b": ("silent", "about volumes of optima, not about norms"),
            "P2 P3": (
                "opposite",
                "if a net cannot walk away from Gen; if it can, it would ungrok with no change of data",
            ),
            "P4": ("opposite", "if a net cannot walk away from Gen, it does not stop halfway"),
            "P5": ("silent", "the walk is driven by noise; no rate is given as a function of weight decay"),
            "P6": ("silent", "no rate is given as a function of weight decay"),
            "P7": ("silent", "no threshold is given"),
            "P8a P8b": ("silent", "no threshold is given"),
            "P9": ("silent", "says nothing about norm and logit"),
            "P10": ("silent", "the walk makes seeds differ by luck, but no threshold is given that could differ"),
        },
    ),
    _explanation(
        "simplicity of the generalising solution",
        "Nanda et al. 2023, Progress measures for grokking via mechanistic interpretability, appendix E, arXiv 2301.05217",
        "https://arxiv.org/abs/2301.05217",
        {
            "P1a P1b": ("predicts", "the two-circuit theory formalises it"),
            "P2 P3": ("predicts", "the two-circuit theory formalises it"),
            "P4": ("allows", "nothing in it forbids a mixture"),
            "P5 P6": ("allows", "regularisation drives it, so more is faster; no exponent is given"),
            "P7": ("silent", "no threshold is given as a function of time"),
            "P8a P8b": (
                "allows",
                "equal simplicity at the threshold; simplicity is not measured as norm at a common logit",
            ),
            "P9": ("silent", "gives no law of logit and norm"),
            "P10": ("allows", "a simpler solution should last longer; what differs between seeds is not said"),
        },
    ),
)


def rows() -> list[dict[str, Any]]:
    """Every stance as a row: prediction, explanation, says, reason, whose reading it is."""
    return [
        {
            "prediction": id_,
            "explanation": e.name,
            "says": stance.says,
            "reason": stance.reason,
            "reading": e.reading(id_),
        }
        for e in EXPLANATIONS
        for id_, stance in e.stances.items()
    ]


def survivors(verdicts: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the verdicts {id: verdict} leave of each explanation, one row each.

    committed   predictions that it predicts or says the opposite of
    decided     of these, how many are confirmed or refuted
    agree       of these, how many came out as it says
    against     ids of those that came out otherwise
    standing    "contradicted" if any did, "untested" if none is decided, else "not contradicted"
    """
    rows = []
    for explanation in EXPLANATIONS:
        committed = {id_: s.says for id_, s in explanation.stances.items() if s.committed}
        expected = {"predicts": "confirmed", "opposite": "refuted"}
        decided = {id_: verdicts[id_] for id_ in committed if verdicts.get(id_) in expected.values()}
        against = [id_ for id_, verdict in decided.items() if verdict != expected[committed[id_]]]
        standing = "contradicted" if against else "not contradicted" if decided else "untested"
        rows.append(
            {
                "explanation": explanation.name,
                "source": explanation.source,
                "committed": len(committed),
                "decided": len(decided),
                "agree": len(decided) - len(against),
                "against": against,
                "standing": standing,
            }
        )
    return rows
