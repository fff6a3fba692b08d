"""figures and verdicts cannot drift apart: a figure says what verdicts.json says, and a made-up verdict changes it."""

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures.catalogue import names, needs
from figures.networks import scorecard
from figures.palette import PROTOCOLS, VERDICTS
from figures.paths import Paths
from figures.render import rounded
from figures.study import Study
from figures.tasks import _absent
from validate.prediction import Basis, Estimate, nothing
from validate.statistics.intervals import Interval
from validate.verdicts import number
from validate.words import NOT_MEASURED, interval_words, number_words, region

PATHS = Paths()
JUDGED = PATHS.saved("verdicts.json")
RIVAL = PATHS.saved("omnigrok/verdicts.json")
FIGURES = [name for name in names(PATHS) if {JUDGED, RIVAL} & set(needs(PATHS, name)) and not _absent(PATHS, name)]
# Their numbers are in the picture.
WITHOUT_WORDS = ("scorecard", "landscapes", "free_runs", "theories")


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Any]:
    """verdicts.json, read without the code that the figures read it with."""
    content: dict[str, Any] = json.loads(JUDGED.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def everything(verdicts: dict[str, Any]) -> dict[str, Any]:
    """The same with the predictions of the rival theory, where its runs are kept."""
    rival = json.loads(RIVAL.read_text(encoding="utf-8"))["predictions"] if RIVAL.exists() else []
    return {"predictions": verdicts["predictions"] + rival}


def caption(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(PATHS.targets(name)["json"].read_text(encoding="utf-8"))
    return content


def judged(verdicts: dict[str, Any]) -> dict[str, list[float]]:
    """Every estimate by the name under which figures quote it."""
    return {
        f"{p['id']} ({protocol}): {entry.get('criterion', entry.get('name'))}": [
            number(x) for x in (entry["value"], *entry["interval"])
        ]
        for p in verdicts["predictions"]
        for protocol, column in p["columns"].items()
        for entry in (*column["beside"], *column["findings"])
    }


def test_figures_read_the_verdicts() -> None:
    assert len(FIGURES) >= 7


@pytest.mark.parametrize("name", FIGURES)
def test_what_a_figure_quotes_is_what_was_judged(name: str, everything: dict[str, Any]) -> None:
    quoted, sources = caption(name)["numbers"]["quoted"], judged(everything)
    assert quoted or name == "theories"  # which has verdicts and no numbers
    for entry, values in quoted.items():
        assert values == rounded(sources[entry]), f"{name} is older than the verdicts; run python -m figures build"


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in WITHOUT_WORDS])
def test_what_a_figure_quotes_is_in_its_caption(name: str, everything: dict[str, Any]) -> None:
    text, sources = caption(name)["caption"], judged(everything)
    for entry in set(caption(name)["numbers"]["quoted"]) & set(sources):
        value = sources[entry][0]
        # A logarithm may be said as the number itself.
        values = [value, math.exp(value)] if re.search(r"\bln\b", entry.partition(": ")[2]) else [value]
        assert any(word in text for x in values for word in (number_words(x), f"{x:.2g}", f"{x:.0f}")), entry


def test_the_scorecard_quotes_every_criterion_of_both_protocols(verdicts: dict[str, Any]) -> None:
    numbers = caption("scorecard")["numbers"]
    wanted = {
        f"{p['id']} ({protocol}): {f['criterion']}"
        for p in verdicts["predictions"]
        for protocol in PROTOCOLS
        for f in p["columns"][protocol]["findings"]
    }
    assert wanted == set(numbers["quoted"])
    for word in VERDICTS:
        assert numbers.get(word, 0) == sum(p["verdict"] == word for p in verdicts["predictions"])


def _drawn(folder: Path) -> tuple[list[str], list[str], set[str], dict[str, object]]:
    """All words of the scorecard with their colours, the colours of its marks, and its numbers."""
    fig, numbers = scorecard.draw(Study(folder))
    words, colours, marks = [], [], set()
    for axes in fig.axes:
        words += [text.get_text() for text in axes.texts]
        colours += [str(text.get_color()) for text in axes.texts]
        marks |= {str(line.get_color()) for line in axes.lines}
    plt.close(fig)
    return words, colours, marks, numbers


def test_a_made_up_verdict_changes_the_scorecard(verdicts: dict[str, Any], tmp_path: Path) -> None:
    content = copy.deepcopy(verdicts)
    content["predictions"] = content["predictions"][:2]
    for p in content["predictions"]:
        p["verdict"] = "confirmed"
        p["columns"] = {q: p["columns"][p["decides"]] | {"verdict": "confirmed"} for q in PROTOCOLS}
        p["criteria"] = [criterion | {"region": [0.0, 1.0]} for criterion in p["criteria"]]
        for f in (f for column in p["columns"].values() for f in column["findings"]):
            f |= {"value": 0.25, "interval": [0.2, 0.3], "verdict": "confirmed"}
    (tmp_path / "verdicts.json").write_text(json.dumps(content))
    words, colours, marks, numbers = _drawn(tmp_path)
    assert words.count("confirmed") == 2
    assert words.count("0.25") == 4
    assert numbers["confirmed"] == 2
    assert VERDICTS["refuted"] not in {*marks, *colours}

    columns = content["predictions"][1]["columns"]
    entry = columns["AdamW"]["findings"][0]
    columns["coupled"] = copy.deepcopy(columns["AdamW"])
    columns[content["predictions"][1]["decides"]]["verdict"] = "refuted"
    entry |= {"value": 7.5, "interval": [7.0, 8.0], "verdict": "refuted"}
    (tmp_path / "verdicts.json").write_text(json.dumps(content))
    words, colours, marks, numbers = _drawn(tmp_path)
    assert (words.count("confirmed"), words.count("refuted")) == (1, 1)
    assert words.count("7.5") == 1
    assert (numbers["confirmed"], numbers["refuted"]) == (1, 1)
    assert VERDICTS["refuted"] in marks
    assert VERDICTS["refuted"] in colours


@pytest.mark.parametrize(("circuit", "id"), [("gen", "P1a"), ("mem", "P1b")])
def test_the_drawn_norms_have_the_judged_slope(circuit: str, id: str) -> None:
    read = Study(PATHS.data).verdicts
    norms = read.rows(id, "norms")
    slopes = [
        -np.polyfit(np.log(own.dataset_size.astype(float)), np.log(own.norm), 1)[0]
        for _, own in norms.groupby("seed")
        if own.dataset_size.nunique() >= 2
    ]
    assert np.mean(slopes) == pytest.approx(read.number(id, f"slope of ln η_{circuit} on ln D").value, rel=1e-3)


def test_end_values_of_saved_runs_are_those_that_were_judged() -> None:
    keys = ["dataset_size", "weight_decay", "seed"]
    study = Study(PATHS.data)
    here = study.table("laws-43/ungrokking_coupled").set_index(keys).sort_index()
    there = study.verdicts.rows("P2", "runs").set_index(keys).sort_index()
    both = here.index.intersection(there.index)
    assert len(both) > 50
    for column in ("test", "unseen", "removed", "motion", "gen", "mem"):
        np.testing.assert_allclose(here.loc[both, column], there.loc[both, column], rtol=1e-4, atol=1e-5)
    assert (here.rests[both] == there.rests[both].astype(bool)).all()


def test_numbers_in_words() -> None:
    interval = Interval(-0.323, -0.33, -0.318, 3)
    assert interval_words(interval) == "−0.323 (−0.33 to −0.318, n = 3)"
    assert str(Estimate(interval, Basis(20, 5))) == "−0.323 (−0.33 to −0.318, n = 3, 5 of 20 still moving)"
    assert interval_words(Interval(1.0, -math.inf, math.inf, 1)) == "1 (n = 1)"
    assert interval_words(Interval(0.0, -math.inf, math.inf, 1).exp()) == "1 (n = 1)"
    assert interval_words(Interval(1.0, -math.inf, math.inf, 0)) == "1"
    assert str(nothing("")) == NOT_MEASURED
    assert str(nothing("why")) == f"{NOT_MEASURED} (why)"
    assert Estimate(Interval(0.0, -math.inf, math.inf, 4), Basis(4, 0)).exp().interval == Interval(
        1.0, 0.0, math.inf, 4
    )
    assert (region(-math.inf, 2.0), region(-0.5, math.inf), region(0.0, 1.0)) == ("below 2", "above −0.5", "0 to 1")
