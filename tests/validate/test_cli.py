"""The command line: train, resume, share, judge, keep; and what it says when it cannot."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

import realnet as rn
from realnet.records import Folder
from realnet.results import read_netcdf
from validate import __main__ as cli
from validate import training
from validate.experiments import PROFILES, Block, Profile, Setting, experiments
from validate.predictions import PREDICTIONS

NET = rn.RunConfig(p=11, d_model=16, d_mlp=32, n_heads=2, dataset_size=60, steps=40, light_every=2)
BASE = "base"
TINY = Profile(
    "quick",
    "seconds",
    (
        Setting(
            BASE,
            "addition mod 11",
            NET,
            (100, 40),
            {
                "memorising_coupled": (Block((20, 40), (1e-4,), range(2), 40),),
                "ungrokking": (Block((20, 40, 60), (0.5, 1.0), range(2), 40),),
                "ungrokking_coupled": (Block((20, 60), (1e-4,), range(2), 40),),
                "corrupted_coupled": (Block((60,), (1e-4,), range(1), 40, (0.0, 0.2)),),
                "scratch": (Block((40, 60), (1.0,), range(2), 40),),
            },
        ),
    ),
)
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "quick", TINY)


def run(out: Path, *more: str) -> int:
    return cli.main(["run", "--out", str(out), "--device", "cpu", "--workers", "1", *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("validate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "quick", TINY)
        assert run(out) == 0
    return out


def checkpoints(out: Path) -> dict[Path, tuple[int, int]]:
    return {f: (f.stat().st_mtime_ns, f.stat().st_ino) for f in out.glob("runs/*/*/runs/*.safetensors")}


def test_everything_is_trained_judged_and_reported(trained: Path) -> None:
    for experiment in experiments(TINY):
        assert (trained / "quick" / f"{experiment.name}.nc").exists()
        folder = Folder(trained / "runs" / experiment.name, create=False)
        assert all(folder.read(config).done for config in experiment.runs)
    assert {"verdicts.json", "verdicts.md"} <= {f.name for f in (trained / "quick").iterdir()}


def test_a_second_run_trains_nothing_and_says_the_same(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from realnet.engine.ensemble import Stack

    def refuse(self: Stack, steps: int) -> None:
        raise AssertionError("trained again")

    before, verdicts = checkpoints(trained), (trained / "quick" / "verdicts.json").read_bytes()
    monkeypatch.setattr(Stack, "advance", refuse)
    assert run(trained) == 0
    assert checkpoints(trained) == before
    assert (trained / "quick" / "verdicts.json").read_bytes() == verdicts


def test_experiments_share_the_nets_that_they_start_from(trained: Path) -> None:
    parent = replace(NET, dataset_size=100, steps=40, weight_decay=1.0, seed=1)
    files = [Folder(trained / "runs" / BASE / kind).file(parent) for kind in ("ungrokking", "ungrokking_coupled")]
    assert files[0].samefile(files[1])


def test_a_larger_profile_takes_over_what_a_smaller_one_trained(trained: Path) -> None:
    """Another folder of runs, the same configs: linked, not trained."""
    setting = replace(TINY.settings[0], name="other")
    again = experiments(replace(TINY, settings=(setting,)))[0]
    training.train(again, trained, "cpu", 1)
    for config in again.runs:
        name = f"{config.name}.safetensors"
        first = trained / "runs" / BASE / again.kind / "runs" / name
        assert first.samefile(trained / "runs" / "other" / again.kind / "runs" / name)


def test_a_report_of_saved_results_gives_the_same_bytes(trained: Path) -> None:
    folder = trained / "quick"
    before = {name: (folder / name).read_bytes() for name in ("verdicts.json", "verdicts.md")}
    for name in before:
        (folder / name).unlink()
    assert cli.main(["report", str(folder)]) == 0
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_report_is_held_against_the_saved_study_but_not_the_study_against_itself(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, other = trained / "quick", tmp_path / "other"
    shutil.copytree(study, other)
    monkeypatch.setattr(cli, "STUDY", study)
    for folder, said in ((other, True), (study, False)):
        assert cli.main(["report", str(folder)]) == 0
        assert ("Against the saved study" in capsys.readouterr().out) is said


def test_one_prediction_trains_only_what_it_needs(tmp_path: Path) -> None:
    assert run(tmp_path, "--only", "p2") == 0
    there = {f"{f.parent.name}/{f.stem}" for f in tmp_path.glob("quick/*/*.nc")}
    assert there == {name for name in PREDICTIONS["P2"].experiments if name.startswith("base/")}
    assert {f"base/{f.name}" for f in (tmp_path / "runs" / BASE).iterdir()} == there


def test_a_family_name_stands_for_its_members() -> None:
    assert [p.id for p in cli._chosen(["P1"])] == ["P1a", "P1b"]
    assert [p.id for p in cli._chosen(["p10", "P8"])] == ["P8a", "P8b", "P10"]


def test_what_a_saved_study_holds_is_not_trained_again(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    assert cli.main(["keep", str(trained / "quick"), str(kept)]) == 0
    (kept / BASE / "scratch.nc").unlink()
    assert run(tmp_path, "--kept", str(kept)) == 0
    lists = {f.parent.parent.name for f in tmp_path.glob("runs/base/*/sweeps/*.json")}
    assert lists == {"scratch"}
    for file in sorted((trained / "quick").glob("*/*.nc")):
        ours, theirs = (read_netcdf(f).drop_vars("wall_time") for f in (tmp_path / "quick" / BASE / file.name, file))
        xr.testing.assert_equal(ours, theirs)
        assert ours.attrs["date"]
        assert json.loads(ours.attrs["parents"]).keys() == json.loads(theirs.attrs["parents"]).keys()
    said = capsys.readouterr().out
    assert "scratch, 4 runs, 0 of them kept" in said
    assert "ungrokking, 12 runs, 12 of them kept" in said


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run", "--kept", "nowhere"], ["must be a folder", "'nowhere'"]),
        (["run", "--only", "P99"], ["--only takes predictions of P1a", "'P99'", "python -m validate list"]),
        (["report", "nowhere"], ["must be a folder", "'nowhere'", "python -m validate run"]),
        (["report", "nowhere", "--only", ""], ["must be a folder", "'nowhere'"]),
        (["run", "--only", ""], ["--only takes predictions of", "''"]),
        (["keep", "nowhere", "there"], ["must have been judged", "'nowhere'", "python -m validate report nowhere"]),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str],
    parts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert all(part in said for part in parts), said
    assert list(tmp_path.iterdir()) == []


def test_keep_copies_what_figures_need_and_removes_what_is_stale(trained: Path, tmp_path: Path) -> None:
    to = tmp_path / "data" / "quick"
    (to / "base").mkdir(parents=True)
    (to / "base" / "stale.nc").write_bytes(b"old")
    (to / "base" / "README").write_text("mine")
    assert cli.main(["keep", str(trained / "quick"), str(to)]) == 0
    kept = {str(f.relative_to(to)): f.read_bytes() for f in to.rglob("*") if f.is_file()}
    assert kept.pop("base/README") == b"mine"
    assert set(kept) == {"verdicts.json", "verdicts.md"} | {f"{e.name}.nc" for e in experiments(TINY)}
    assert all(content == (trained / "quick" / name).read_bytes() for name, content in kept.items())


def test_control_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training.rn, "train", interrupted)
    assert run(tmp_path) == 130
    assert "the same command goes on from the last checkpoint" in capsys.readouterr().err


def test_a_kill_while_results_are_written_leaves_the_old_file(trained: Path, tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
import xarray as xr
from tests.validate.test_cli import TINY
from validate.experiments import experiments
from validate.training import collect

def half(self, name, **options):
    Path(name).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

experiment = next(e for e in experiments(TINY) if e.kind == "scratch")
collect(experiment, Path({str(trained)!r}), Path(sys.argv[1]))
os.link(Path(sys.argv[1]) / "base" / "scratch.nc", Path(sys.argv[1]) / "before")
xr.Dataset.to_netcdf = half
collect(experiment, Path({str(trained)!r}), Path(sys.argv[1]))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "base" / "scratch.nc").samefile(tmp_path / "before")
    assert cli.Results(tmp_path).names == ["base/scratch"]
    assert set(cli.Results(tmp_path).table("base/scratch").status) == {"finished"}


def test_runs_that_were_never_trained_are_reported_as_such(tmp_path: Path) -> None:
    for experiment in experiments(TINY):
        training.collect(experiment, tmp_path, tmp_path / "quick")
    assert cli.main(["report", str(tmp_path / "quick")]) == 0
    found = (tmp_path / "quick" / "verdicts.json").read_text()
    assert found.count('"verdict": "not tested"') >= 2 * len(PREDICTIONS)
    assert '"verdict": "confirmed"' not in found


def test_a_network_that_was_trained_on_all_pairs_is_not_shown_to_grok(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no pair that it never saw."""
    kinds = {"ungrokking": (Block((20,), (1.0,), range(1), 40),)}
    monkeypatch.setitem(
        PROFILES, "quick", replace(TINY, settings=(replace(TINY.settings[0], parent=(121, 40), kinds=kinds),))
    )
    assert run(tmp_path) == 0
    assert "A network that groks" not in capsys.readouterr().out


def test_a_profile_in_parts_of_which_some_are_saved_is_trained_and_promises_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = {"ungrokking": (Block((20,), (0.5, 1.0), range(2), 40),)}
    profile = replace(TINY, settings=(replace(TINY.settings[0], kinds=kinds),), by_seed=True)
    monkeypatch.setitem(PROFILES, "quick", profile)
    saved = tmp_path / "saved"
    assert run(tmp_path / "first") == 0
    shutil.copytree(tmp_path / "first" / "quick", saved / "quick")
    monkeypatch.setattr(cli, "DATA", saved)
    capsys.readouterr()
    assert run(tmp_path / "second") == 0
    said = capsys.readouterr().out
    assert "[2/2" in said
    assert "min left" not in said
