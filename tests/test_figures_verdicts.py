"""figures and verdicts cannot drift apart: a figure says what verdicts.json says, and its points give its numbers."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from figures.catalogue import data_files, names
from figures.ends import ends
from figures.paths import PROFILE, Paths
from figures.render import rounded
from figures.verdicts import Number, Verdicts, number, short

PATHS = Paths()
JUDGED = PATHS.data / "validate" / PROFILE / "verdicts.json"
FIGURES = [name for name in names(PATHS) if JUDGED in data_files(PATHS, name)]
# Its numbers are in the picture.
WITHOUT_WORDS = ("scorecard",)


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Any]:
    """verdicts.json, read without the code that the figures read it with."""
    content: dict[str, Any] = json.loads(JUDGED.read_text(encoding="utf-8"))
    return content


def caption(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(PATHS.targets(name)["json"].read_text(encoding="utf-8"))
    return content


def judged(verdicts: dict[str, Any]) -> dict[str, list[float]]:
    """Every estimate by the name under which figures quote it."""
    found = {}
    for p in verdicts["predictions"]:
        for entry in (*p["controls"], *p["findings"]):
            name = f"{p['id']}: {entry.get('criterion', entry.get('name'))}"
            found[name] = [number(x) for x in (entry["value"], *entry["interval"])]
    for row in (row for rows in verdicts["tables"].values() for row in rows):
        if row.get("kind") == "all" and "skill" in row:
            sources = {f"skill, {row['forecaster']} against {row['baseline']}": ("skill", "")}
        elif "quantity" in row and row.get("setting", "base") == "base":
            sources = {row["quantity"]: ("value", "")}
        elif "parent_accuracy" in row:
            sources = {f"{row['setting']}, weight decay {row['weight_decay']:g}": ("pairs", "")}
        elif "ungrokking_pairs" in row:
            sources = {f"{row['setting']}, {kind}": ("pairs", f"{kind}_") for kind in ("isologit", "ungrokking")}
        else:
            continue
        for name, (value, prefix) in sources.items():
            found[name] = [number(row.get(f"{prefix}{part}")) for part in (value, "low", "high")]
    return found


def test_figures_read_the_verdicts() -> None:
    assert len(FIGURES) >= 9


@pytest.mark.parametrize("name", FIGURES)
def test_what_a_figure_quotes_is_what_was_judged(name: str, verdicts: dict[str, Any]) -> None:
    numbers, sources = caption(name)["numbers"], judged(verdicts)
    assert numbers["profile"] == verdicts["profile"] == PROFILE
    assert numbers["quoted"]
    for quoted, values in numbers["quoted"].items():
        assert values == rounded(sources[quoted]), f"{name} is older than the verdicts; run python -m figures build"


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in WITHOUT_WORDS])
def test_what_a_figure_quotes_is_in_its_caption(name: str, verdicts: dict[str, Any]) -> None:
    text, sources = caption(name)["caption"], judged(verdicts)
    for quoted in caption(name)["numbers"]["quoted"]:
        value = sources[quoted][0]
        said = ["not measured", "undefined"] if math.isnan(value) else [short(value)]
        if quoted.partition(": ")[2].startswith("ln "):
            said.append(short(math.exp(value)))
        assert any(word in text for word in said), quoted


def test_the_scorecard_quotes_every_criterion(verdicts: dict[str, Any]) -> None:
    numbers = caption("scorecard")["numbers"]
    wanted = {f"{p['id']}: {f['criterion']}" for p in verdicts["predictions"] for f in p["findings"]}
    assert wanted == set(numbers["quoted"])
    for word in ("confirmed", "refuted", "inconclusive"):
        assert numbers[word] == sum(p["verdict"] == word for p in verdicts["predictions"])


@pytest.mark.parametrize(("circuit", "id"), [("gen", "P1a"), ("mem", "P1b")])
def test_the_drawn_norms_have_the_judged_slope(circuit: str, id: str) -> None:
    read = Verdicts()
    norms = read.rows(id, f"{circuit} norms, AdamW")
    slopes = [
        -np.polyfit(np.log(own.dataset_size.astype(float)), np.log(own.norm), 1)[0]
        for _, own in norms.groupby("seed")
        if own.dataset_size.nunique() >= 2
    ]
    assert np.mean(slopes) == pytest.approx(read.number(id, f"slope of ln η_{circuit} on ln D").value, rel=1e-3)


def test_the_drawn_nets_meet_at_the_judged_size() -> None:
    read = Verdicts()
    gen, mem = read.rows("P1a", "gen norms, AdamW"), read.rows("P1b", "mem norms, AdamW")
    level = float(np.log(gen.norm).mean())
    curve = np.log(mem.norm).groupby(mem.dataset_size).mean()
    drawn = float(np.interp(level, curve, np.log(curve.index.to_numpy(float))))
    found = read.number("P8a", "ln isologit D_crit")
    assert found.low - 0.05 <= drawn <= found.high + 0.05


@pytest.mark.parametrize("name", ["base/ungrokking", "base/ungrokking_coupled"])
def test_end_values_of_saved_runs_are_those_that_were_judged(name: str) -> None:
    keys = ["dataset_size", "weight_decay", "seed"]
    here, there = ends(name).set_index(keys).sort_index(), Verdicts().rows("P2", name).set_index(keys).sort_index()
    assert len(here) == len(there) > 0
    for column in ("unseen", "removed"):
        pd.testing.assert_series_equal(here[column], there[column], check_names=False, rtol=1e-4, atol=1e-6)
    assert (here.settled == there.settled.astype(bool)).all()


def test_numbers_in_words() -> None:
    assert str(Number(-0.323, -0.33, -0.318, 3)) == "−0.323 (−0.33 to −0.318, n = 3)"
    assert str(Number(1.0, -math.inf, math.inf, 2)) == "1 (−∞ to ∞, n = 2)"
    assert str(Number()) == "not measured (n = 0)"
    assert Number(0.0, -math.inf, math.inf, 4).exp()[:2] == (1.0, 0.0)
