"""What still moves decides nothing: for every prediction and every criterion, by what its number is made of."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.validate.laboratory import SHARING, Lab, digits, lawful, mixtures, row, scratch, singles, wrong_labels
from tests.validate.test_omnigrok import BASE, EDGE, TEACHER, Saved, free, landscape, lu_runs, run
from tests.validate.test_omnigrok import digits as images
from tests.validate.test_predictions_laws import CRITICAL
from validate.measured import Run
from validate.prediction import ABSENT, INCONCLUSIVE, Finding, Verdict, judge
from validate.predictions import ALL, OMNIGROK, PREDICTIONS

AFTER_STEPS = {
    (
        "P4",
        "share of runs near the threshold that have left chance and show a plateau in between",
    ),
    ("P7", "gap ln(D_scratch / D_ungrokking) at the end"),
    ("P7", "gap at the end as a share of that after a third of the steps"),
    ("P13", "accuracy of networks that have grokked less that of randomly initialised ones, same pairs and decay"),
    ("P13", "AUC for predicting from W_gen at first fit, at fixed D, whether a network generalises"),
    ("O2b", "share of runs without decay that generalise"),
}
"""What is claimed of a stated number of steps: such runs may move"""


def world(id: str) -> Lab:
    """A laboratory in which every number of the prediction decides."""
    lab = Lab()
    singles(lab, noise=0.003)
    spread = {"P11": 0.003, "P12": 0.003}.get(id, 0.05)
    mixtures(lab, spread=spread, sharing=SHARING if id == "P12" else 0.0)
    mixtures(lab, "base/ungrokking_coupled", seeds=5, spread=spread)
    scratch(lab, "base/scratch_coupled", 470, decay=1e-4, seeds=5)
    lab.tables["base/memorising"] = lab.table("base/memorising_coupled")
    mixtures(lab, "base/ungrokking", seeds=5, decays=(0.5, 1.0, 2.0), sizes=(60, 110, 180, 240, 330, 480, 1600))
    scratch(lab, "base/scratch", 470, decay=1.0, seeds=5, plateau_from=900.0, plateau_to=2000.0, left_chance=True)
    times = [(seed, decay) for seed in range(5) for decay in (0.5, 1.0, 2.0)]
    if id in ("P5", "P6"):
        kind, size = {"P5": ("scratch", 850), "P6": ("ungrokking", 120)}[id]
        late = [900 * math.exp(0.05 * s) * d ** (-1 + 0.02 * (s - 2)) for s, d in times]
        rows = [row(size, d, s, t_gen=t, t_lost=t) for (s, d), t in zip(times, late, strict=True)]
        lab.tables[f"fresh/{kind}"] = pd.DataFrame(rows)
    if id == "P13":
        for kind, decay in (("_coupled", 1e-4), ("", 1.0)):
            escape = [row(560, decay, s, test=0.99 * (s % 2) + 0.01, gen_at_fit=s % 2 + 0.1 * s) for s in range(10)]
            lab.tables[f"fresh/scratch{kind}"] = pd.DataFrame(escape)
            lab.tables[f"base/scratch{kind}"] = pd.DataFrame([row(s, decay, i) for i in range(5) for s in (400, 480)])
            rows = [row(size, decay, s, test=0.95) for s in range(10) for size in (400, 480)]
            lab.tables[f"base/ungrokking{kind}"] = pd.DataFrame(rows)
    if id == "P14":
        for width in (32, 128):
            mixtures(lab, f"width-{width}/ungrokking_coupled", seeds=5, d_model=width)
    if id in ("P16", "P17", "P18", "P19"):
        for setting, critical in CRITICAL.items():
            lawful(lab, setting, critical, decays=(1e-4, 1e-3) if setting == "laws-43" else (1e-4,))
        digits(lab)
    if id == "P12":
        wrong_labels(lab, "fresh", seeds=range(10, 14))
        del lab.tables["fresh/memorising_coupled"]
    if id == "P15":
        wrong_labels(lab, "laws-43-labels")
    return lab


def moving_lab(lab: Lab) -> Lab:
    """The same, but nothing rests, and in half of the seeds nothing has happened yet."""
    times = ["t_fit", "t_gen", "t_half", "t_lost"]
    tables = {}
    for name, table in lab.tables.items():
        moved = table.assign(rests=False, norm_rests=False, motion=-0.3, norm_drift=0.1)
        moved[times] = moved[times].where(moved.seed % 2 == 1)
        tables[name] = moved
    return Lab(tables)


def rival_world(id: str) -> Saved:
    """As `world`, for the predictions of and about the rival theory, on the task that decides."""
    if id == "O1":
        return Saved({"teacher/landscape": [r for s in range(4) for r in landscape("teacher", s, 1.0)]})
    if id == "O5":
        return lu_runs(1.1)
    if id == "O2a":
        return Saved({"teacher/free": [free("teacher", s, 2.0, d, 100.0, (1500.0 + 50 * s) / d)
                                       for s in range(5) for d in (0.3, 0.5, 1.0)]})  # fmt: skip
    if id == "O2b":
        return Saved({"teacher/free": [free("teacher", s, 2.0, 0.0, 100.0, math.inf) for s in range(6)]})
    if id == "O3":
        b = BASE["teacher"]
        return Saved({"teacher/free": [free("teacher", s, b[a], b["decay"], 100.0, t + 5 * s) for s in range(4)
                                       for a, t in (("large", 5000), ("small", 200))]})  # fmt: skip
    if id == "O4":
        return Saved({"addition/landscape": [r for s in range(4) for r in landscape("addition", s)],
                      "addition/free": [free("addition", s, 1.0, 1.0, 100.0, 2000.0 + s) for s in range(4)]})  # fmt: skip
    if id == "O6":
        found = Saved({"teacher/landscape": [], "teacher/free": []})
        for s in range(4):
            for size, test in ((5, 0.1), (10, 0.3), (20, 0.8), (40, 0.97)):
                net = replace(TEACHER, dataset_size=size, seed=s, steps=1000, init_scale=2.0, weight_decay=0.3)
                for name in found:
                    found[name].append(run(replace(net, fixed_norm="land" in name), 10, 20, test=test - 0.01 * s))
        return found
    if id == "O7":
        cells = ((1.0, 1.0, 0.0), (1.0, 1 / 1.3**4, 1.5), (1.3, 1.3**4, 0.2), (1.3, 1.0, 1.7))
        return Saved({"addition/scale": [free("addition", s, a, 0.0, 50.0, 1500 * math.exp(x + 0.05 * s), temperature=t)
                                         for s in range(4) for a, t, x in cells]})  # fmt: skip
    if id == "O8":
        plain = [
            free("teacher", s, a, 0.1, f, g + 10 * s)
            for s in range(4)
            for a, f, g in ((2, 500, 10_000), (1, 100, 1000))
        ]
        fast = [free("teacher", s, 2.0, 0.05, 500, 500 * 20**0.2 + s, learning_rate=1e-2) for s in range(4)]
        return Saved({"teacher/free": plain, "teacher/step": fast})
    if id == "O10":
        kinds = [({"loss": "softmax", "options": {"softmax_dtype": f"float{b}"}}, t)
                 for b, t in ((16, 0.2), (32, 0.4), (64, 0.6))]  # fmt: skip
        kinds += [({"loss": "stablemax"}, 0.9), ({"loss": "softmax", "gradient_filter": "perpendicular"}, 0.95)]
        return Saved({"edge/collapse": [run(replace(EDGE, seed=s, **k), 10, 20, test=t + 0.01 * s)  # type: ignore[arg-type]
                                        for k, t in kinds for s in range(3)]})  # fmt: skip
    return images()


def moving_run(one: Run) -> Run:
    """It did not rest between its sixth tenth and its end; with an even seed it neither fits nor generalises."""
    sixth = (one.step > 0.5 * one.step[-1]) & (one.step <= 0.6 * one.step[-1])
    never = one.config["seed"] % 2 == 0 and "ungrokking" not in str(one.config)
    full = one.full.copy(deep=True)
    curves = {"train": one.train * (0.4 if never else 1.0), "loss": one.loss,
              "unseen": np.where(sixth, one.unseen / 3, one.unseen) * (0.4 if never else 1.0),
              "norm": one.norm * (1 + 0.2 * one.step / one.step[-1])}  # fmt: skip
    for name, curve in (("train_accuracy", "train"), ("unseen_accuracy", "unseen"), ("norm", "norm")):
        full[name] = ("step", curves[curve])
    return replace(one, **curves, full=full)


def findings(verdict: Verdict) -> Iterator[tuple[str, Finding]]:
    for name in verdict.prediction.claimed:
        yield from ((name, finding) for finding in verdict.columns[name].findings)


def both(id: str) -> tuple[Verdict, Verdict]:
    """At rest, and on the move."""
    if id in PREDICTIONS:
        lab = world(id)
        return tuple(judge(PREDICTIONS[id], one) for one in (lab, moving_lab(lab)))  # type: ignore[arg-type, return-value]
    saved = rival_world(id)
    moving = Saved({name: [moving_run(one) for one in runs] for name, runs in saved.items()})
    return tuple(judge(OMNIGROK[id], one) for one in (saved, moving))  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("id", ALL)
def test_what_still_moves_decides_nothing(id: str) -> None:
    rest, moves = both(id)
    decided = {(name, f.criterion.name) for name, f in findings(rest) if f.verdict != INCONCLUSIVE}
    # Where it rests it does decide, or the test would say nothing.
    assert {(rest.prediction.decides, c.name) for c in rest.prediction.criteria} <= decided
    assert {name for name, _ in findings(moves)} == {name for name, _ in findings(rest)}
    for name, finding in findings(moves):
        basis = finding.estimate.basis
        if (id, finding.criterion.name) in AFTER_STEPS:
            assert basis.moving == 0
            assert (name, finding.criterion.name) not in decided or finding.verdict != INCONCLUSIVE
            words = f"{rest.prediction.claim} {rest.prediction.statistic} {finding.estimate.note}"
            assert re.search(r"\bsteps\b", words), words
        else:
            assert basis.moving > basis.runs / 3, (name, finding.criterion.name)
            assert finding.verdict == INCONCLUSIVE, (name, finding.criterion.name)


@pytest.mark.parametrize("id", ALL)
def test_no_number_without_what_it_was_measured_on(id: str) -> None:
    for verdict in both(id):
        for column in verdict.columns.values():
            if column.verdict == ABSENT:
                continue
            for name, estimate in (*((f.criterion.name, f.estimate) for f in column.findings), *column.beside.items()):
                assert 0 <= estimate.basis.moving <= estimate.basis.runs
                assert estimate.basis.runs > 0 or math.isnan(estimate.interval.value), name


@pytest.mark.parametrize(("id", "part"), [("P8a", "memorising"), ("P8a", "ungrokking"), ("P8b", "memorising"),
                                          ("P11", "memorising"), ("P11", "fresh"), ("P12", "fresh/ungrokking"),
                                          ("P12", "corrupted"), ("P12", "base/memorising"), ("P16", "memorising"),
                                          ("P16", "ungrokking"), ("P18", "memorising"), ("P18", "ungrokking")])  # fmt: skip
def test_one_kind_of_runs_that_moves_is_not_hidden_by_others_that_rest(id: str, part: str) -> None:
    lab = world(id)
    moved = moving_lab(lab)
    mixed = Lab({name: (moved if part in name else lab).table(name) for name in lab.tables})
    if part == "memorising":  # Gen-only networks are lone circuits too
        mixed.tables |= {name: moved.table(name) for name in lab.tables if "generalising" in name}
    for finding in judge(PREDICTIONS[id], mixed).columns["coupled"].findings:  # type: ignore[arg-type]
        if not (id == "P12" and part == "corrupted" and "sharpness" in finding.criterion.name):
            assert finding.verdict == INCONCLUSIVE, finding.criterion.name
