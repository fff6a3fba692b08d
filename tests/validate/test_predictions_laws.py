"""Laws of networks at rest: each is confirmed in a laboratory where it holds, and refuted where another one does."""

import math

import pandas as pd
import pytest

from tests.validate.laboratory import NUMBERS, Lab, digits, judged, lawful, singles, value, wrong_labels
from validate.matching.laws import MODULAR_LAWS, circuits, grokked, mixtures
from validate.measured import MissingResult

CRITICAL = dict(zip(MODULAR_LAWS, (700.0, 420.0, 620.0, 250.0, 255.0, 260.0), strict=True))


def laboratory(**law: float | tuple[float, float]) -> Lab:
    """All settings of the laws; the pole's scale differs between them, as D_crit does."""
    lab = Lab()
    for i, (setting, critical) in enumerate(CRITICAL.items()):
        decays = (1e-4, 1e-3) if setting == "laws-43" else (1e-4,)
        lawful(lab, setting, critical, scale=0.12 + 0.012 * i, decays=decays, **law)  # type: ignore[arg-type]
    digits(lab, law.get("gamma", 0.5))  # type: ignore[arg-type]
    return lab


@pytest.mark.parametrize(("power", "verdict"), [(2.0, "confirmed"), (1.5, "refuted"), (3.0, "refuted")])
def test_p15_measures_the_power_with_which_norms_add(power: float, verdict: str) -> None:
    lab = Lab()
    wrong_labels(lab, "laws-43-labels", power)
    wrong_labels(lab, "laws-113-labels", power, 3400, range(20, 23))
    found = judged("P15", lab)
    assert found.verdict == verdict
    assert value(found, which=1) == pytest.approx(power, rel=0.02)
    assert found.columns["coupled"].findings[1].estimate.interval.n == 9
    # The networks need not rest at one logit: each circuit is brought to the mixture's.
    assert (value(found) < 0.01) is (verdict == "confirmed")


def test_p15_needs_lone_circuits_of_the_same_seed() -> None:
    lab = Lab()
    wrong_labels(lab, "laws-43-labels")
    name = "laws-43-labels/memorising_coupled"
    lab.tables[name] = lab.table(name).assign(seed=lambda t: t.seed + 100)
    assert judged("P15", lab).columns["coupled"].verdict == "not tested"


@pytest.mark.parametrize(
    ("law", "P16", "P17", "P18", "P19"),
    [
        ({}, "confirmed", "confirmed", "confirmed", "confirmed"),
        # P16 tells the pole from a power law; P18 asks for D_crit alone, which a line through a power law gives nearly too.
        ({"exponent": 4.0}, "refuted", "confirmed", "confirmed", "confirmed"),
        ({"off": 1.3}, "refuted", "confirmed", "refuted", "confirmed"),
        ({"off": 0.75}, "refuted", "confirmed", "refuted", "confirmed"),
        ({"curve": (-0.1, 0.2)}, "confirmed", "refuted", "confirmed", "confirmed"),
        ({"gamma": 0.2}, "confirmed", "confirmed", "confirmed", "refuted"),
        ({"gamma": 1.0}, "confirmed", "confirmed", "confirmed", "refuted"),
    ],
)
def test_laws_are_told_from_others(law: dict[str, float], P16: str, P17: str, P18: str, P19: str) -> None:
    lab = laboratory(**law)
    found = {id: judged(id, lab) for id in ("P16", "P17", "P18", "P19")}
    assert {id: verdict.verdict for id, verdict in found.items()} == {"P16": P16, "P17": P17, "P18": P18, "P19": P19}
    ratio = found["P18"].columns["coupled"]
    assert ratio.findings[0].estimate.interval.n == 9  # seeds of the three settings that the rule had not seen
    assert [e.interval.n for e in ratio.beside.values()] == [9, 18]
    if not law.get("exponent"):
        assert value(found["P18"]) == pytest.approx(math.log(law.get("off", 1.0)), abs=0.02)
    gamma = law.get("gamma", 0.5)
    for which in range(5):
        assert value(found["P19"], which=which) == pytest.approx(gamma, rel=0.02)
    assert value(found["P19"], which=5) == pytest.approx(math.log(0.5 / gamma), abs=1e-6)


def test_each_seed_and_setting_counts_once() -> None:
    found = judged("P19", laboratory()).columns["coupled"].findings
    assert [f.estimate.interval.n for f in found] == [18, 18, 18, 3, 3, 6]


@pytest.mark.parametrize("id", ["P16", "P18"])
def test_a_seed_without_lone_circuits_is_left_out(id: str) -> None:
    lab = laboratory()
    name = "laws-97/memorising_coupled"
    whole, few = lab.table(name), lab.table(name).dataset_size < 500  # one size left
    lab.tables[name] = whole[few | (whole.seed != 20)]
    finding = judged(id, lab).columns["coupled"].findings[0]
    assert finding.estimate.interval.n == 8
    lab.tables[name] = whole[few]
    finding = judged(id, lab).columns["coupled"].findings[0]
    assert finding.estimate.interval.n == 6
    assert "laws-97" not in finding.estimate.note


def test_settings_that_the_rule_had_seen_decide_only_where_there_are_no_others() -> None:
    lab = laboratory()
    for name in [x for x in lab.tables if x.partition("/")[0] in ("laws-97", "laws-113", "laws-43")]:
        del lab.tables[name]
    found = judged("P18", lab)
    assert found.prediction.seen
    assert found.columns["coupled"].findings[0].estimate.interval.n == 9
    assert not found.columns["coupled"].beside


def test_lone_circuits_are_those_that_fit_and_mixtures_those_that_were_trained_on() -> None:
    lab = Lab()
    singles(lab, setting="laws-43")
    numbers, nets = circuits(lab, "laws-43", 1e-4)  # type: ignore[arg-type]
    assert (numbers.critical_size, numbers.beta) == pytest.approx((NUMBERS.critical_size, NUMBERS.beta), rel=1e-6)
    assert nets.circuit.value_counts().to_dict() == {"Mem": 12, "Gen": 8}
    name = "laws-43/memorising_coupled"
    lab.tables[name] = lab.table(name).assign(train=lambda t: t.train.where(t.dataset_size > 100, 0.9))
    assert (circuits(lab, "laws-43", 1e-4)[1].circuit == "Mem").sum() == 8  # type: ignore[arg-type]
    with pytest.raises(MissingResult, match=r"0 Gen-only networks and Mem-only ones of 0 sizes at weight decay 0\.5"):
        circuits(lab, "laws-43", 0.5)  # type: ignore[arg-type]
    lawful(lab, "laws-67")
    both = mixtures(lab, "laws-67")  # type: ignore[arg-type]
    assert set(both.experiment) == {"laws-67/ungrokking_coupled", "laws-67/generalising_coupled"}
    kept = grokked(both)
    assert 0 < len(kept) < len(both)
    assert (kept.unseen_margin >= 0.75 * kept.train_margin).all()
    assert isinstance(kept, pd.DataFrame)
