"""Verdicts as JSON and in words: nothing is lost, nothing is added, and a verdict stands in its own column."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import realnet as rn
from validate import report
from validate.measured import MissingResult
from validate.prediction import Basis, Claim, Criterion, Estimate, Measurement, Prediction, judge, nothing
from validate.predictions import PREDICTIONS
from validate.statistics.intervals import Interval
from validate.verdicts import Judgement, decode, encode, load, number, plain, save


def claim(prediction: Claim) -> Claim:
    """The prediction without the means to measure it."""
    return Claim(**{field.name: getattr(prediction, field.name) for field in fields(Claim)})


def prediction(
    id: str, coupled: tuple[float, float] | None, adamw: tuple[float, float] | None, claimed: bool = True
) -> Prediction:
    def measure(results: object, protocol: str) -> Measurement:
        ends = coupled if protocol == "coupled" else adamw
        if ends is None:
            raise MissingResult("train it")
        return Measurement(
            {"number": Estimate(Interval(round(sum(ends) / 2, 6), *ends, 7), Basis(21, 2), "a note")},
            {"another": nothing("too few")},
            {"rows": [{"size": 5, "value": math.inf}]},
            ("a remark",),
        )

    rule = (Criterion(name="number", unit="1", low=0.0, high=1.0, why="why not", truth=0.5, spread=0.1, seeds=5),)
    both = {"coupled": "at rest", "AdamW": "the paper's"}
    claims = (both, {}) if claimed else ({"coupled": "at rest"}, {"AdamW": "it moves"})
    return Prediction(
        id=id, claim=f"Claim {id} | with a bar.", source="(1)", statistic="a statistic", claimed=claims[0],
        unclaimed=claims[1], experiments=(), criteria=rule, measure=measure, registered="abc1234", seen=True,
        changed="an old form", says={"circuit efficiency": ("predicts", "its premise")},
    )  # fmt: skip


@pytest.fixture
def content() -> Judgement:
    made = [
        prediction("A", (0.2, 0.4), (2.0, 3.0)),
        prediction("B", (-0.5, 0.5), None),
        prediction("C", (1.5, 1.6), (0.1, 0.2), claimed=False),
        prediction("D", None, (0.1, 0.2), claimed=False),
    ]
    provenance = {"device": ["cpu"], "processor": ["some"]}
    return Judgement(profile="quick", runs=9, finished=8, experiments=[], untrained=["x/y"], provenance=provenance,
                     trained=8, core_seconds=1.0, tables={"beside": [{"a": math.nan, "b": "inf."}]},
                     verdicts=[judge(p, None) for p in made])  # type: ignore[arg-type]  # fmt: skip


def test_the_deciding_column_is_the_verdict(content: Judgement) -> None:
    assert content.words == {"A": "confirmed", "B": "inconclusive", "C": "refuted", "D": "not tested"}
    assert content.decided == {"A": "confirmed", "C": "refuted"}
    assert content.score == {"confirmed": 1, "refuted": 1, "inconclusive": 1, "not tested": 1}
    columns = [[c.verdict for c in v.columns.values()] for v in content.verdicts]
    assert columns == [
        ["confirmed", "refuted"], ["inconclusive", "not tested"], ["refuted", "confirmed"], ["not tested", "confirmed"],
    ]  # fmt: skip


def test_json_keeps_what_is_not_a_number(content: Judgement, tmp_path: Path) -> None:
    save(tmp_path / "verdicts.json", content)
    column = json.loads((tmp_path / "verdicts.json").read_text())["predictions"][0]["columns"]["coupled"]
    assert column["findings"][0]["interval"] == [0.2, 0.4]
    assert column["findings"][0]["power"] == 1.0
    assert math.isnan(number(column["beside"][0]["value"]))
    assert number(column["beside"][0]["interval"][0]) == -math.inf
    assert column["tables"]["rows"][0]["value"] == "inf"
    assert "NaN" not in (tmp_path / "verdicts.json").read_text()


def test_what_was_saved_is_what_is_read(content: Judgement, tmp_path: Path) -> None:
    again = load(save(tmp_path / "verdicts.json", content))
    # nan is not equal to itself, its text is.
    assert repr(again.verdicts) == repr([replace(v, prediction=claim(v.prediction)) for v in content.verdicts])
    assert repr(again) == repr(decode(encode(again)))
    assert math.isnan(again.tables["beside"][0]["a"])
    assert again.tables["beside"][0]["b"] == "inf."
    assert again["A"].prediction.standing == "restated after the runs that decide were seen (abc1234)"
    assert again["A"].prediction.criteria[0].power() == content["A"].prediction.criteria[0].power() > 0


def test_what_is_quoted_must_be_there(content: Judgement) -> None:
    with pytest.raises(KeyError, match="one of A, B, C, D; received 'E'"):
        content["E"]
    with pytest.raises(KeyError, match="one of number, another; received 'nubmer'"):
        content["A"].column().number("nubmer")
    with pytest.raises(IndexError):
        content["A"].number(1)
    with pytest.raises(AttributeError):
        content["A"].claims  # noqa: B018
    assert str(content["D"].number()) == "not measured (train it)"
    assert str(content["D"].column("a task").number("number")) == "not measured"


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(ValueError, match="format 3; received 1"):
        load(tmp_path / "old.json")
    with pytest.raises(FileNotFoundError, match="python -m validate run"):
        load(tmp_path / "none.json")
    with pytest.raises(TypeError, match="Convert it"):
        plain({"a": object()})


def test_the_table_has_a_column_a_protocol_and_brackets_where_nothing_is_claimed(content: Judgement) -> None:
    lines = report.table(content).splitlines()
    a, b, c = (next(line for line in lines if f"**{id}**" in line) for id in "ABC")
    assert a.endswith("| **confirmed** | **refuted** |")
    assert b.endswith("| **inconclusive** | **not tested** |")
    assert c.endswith("| **refuted** | (confirmed) |")
    assert r"Claim A \| with a bar." in a
    assert all(line.count(" | ") == 4 for line in lines)
    assert "0.3 (0.2 to 0.4, n = 7, 2 of 21 still moving)" in lines[3]


def test_what_is_wrong_is_what_refutes_a_claim_where_it_is_made(content: Judgement) -> None:
    text = report.wrong(content)
    assert "**A**, AdamW" in text
    assert "**C**, coupled" in text
    assert "**C**, AdamW" not in text
    assert "**B**" not in text


def test_markdown_and_terminal_say_the_same(content: Judgement) -> None:
    text = report.markdown(content)
    assert "1 confirmed, 1 refuted, 1 inconclusive, 1 not tested" in text
    assert "Not trained: x/y." in text
    assert "a remark" in text
    shown = report.terminal(content)
    assert [line.split()[0] for line in shown.splitlines() if "[coupled]" in line] == ["A", "B", "C", "D"]
    assert all(len(line) <= report.WIDTH for line in shown.splitlines())
    assert "not tested" in shown
    assert "train it" in shown


def test_agreement_counts_what_both_decided(content: Judgement) -> None:
    there = {"B": "confirmed", "C": "confirmed", "D": "refuted"}
    other = replace(content, verdicts=[
        replace(v, columns={name: replace(c, verdict=there.get(v.id, c.verdict)) for name, c in v.columns.items()})
        for v in content.verdicts
    ])  # fmt: skip
    said = report.agreement(content, other)
    assert "1 of 2 predictions decided in both agree" in said
    assert "open here: B" in said
    assert "not tested here: D" in said
    assert "differ: C (refuted, there confirmed)" in said


def test_the_list_says_rule_and_power() -> None:
    text = report.listing(PREDICTIONS.values())
    assert text.count("power") >= sum(len(p.criteria) for p in PREDICTIONS.values())
    assert text.count("     changed") == sum(bool(p.changed) for p in PREDICTIONS.values())
    assert all(len(line) <= report.WIDTH for line in text.splitlines())


def test_a_row_says_what_is_missing_and_what_is_infinite() -> None:
    rows = [
        {"setting": "one", "value": 0.5, "low": -math.inf, "high": math.inf},
        {"setting": "two", "value": math.nan, "n": 3},
    ]
    assert report.rows_table(rows).splitlines()[2:] == ["| one | 0.5 | −∞ | ∞ | – |", "| two | – | – | – | 3 |"]
    assert (report.cell(True), report.cell(np.int64(3)), report.cell("inf")) == ("yes", "3", "inf")


def test_a_network_that_groks_and_ungroks_is_two_lines_of_bars() -> None:
    parent, child = rn.RunConfig(p=11, dataset_size=90, steps=100), rn.RunConfig(p=11, dataset_size=20, steps=50)
    said = report.life([(parent, np.repeat([0.0, 1.0], 60)), (child, np.linspace(1.0, 0.0, 30))]).splitlines()
    assert "90 training examples" in said[0]
    assert "20 are left" in said[2]
    assert said[1].split() == ["▁" * 30 + "█" * 30, "1.00"]
    bars, end = said[3].split()
    assert (bars[0], bars[-1], len(bars), end) == ("█", "▁", 30, "0.00")
    assert report.life([]) == ""


def test_a_verdict_is_told_in_a_line_as_soon_as_it_is_known() -> None:
    said = report.decided_now(judge(prediction("A", (0.2, 0.4), None), None))  # type: ignore[arg-type]
    assert said == "  A confirmed at 0.3 (0.2 to 0.4, n = 7, 2 of 21 still moving): number"
    assert report.decided_now(judge(prediction("D", None, None), None)) == "  D not tested"  # type: ignore[arg-type]
