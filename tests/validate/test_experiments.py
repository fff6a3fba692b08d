"""Profiles: what a kind of run is, and that what is kept is what the profile trains."""

import json
from dataclasses import astuple
from pathlib import Path

import pytest
import xarray as xr

import realnet as rn
from realnet.config import from_dict
from validate import verdicts
from validate.experiments import PROFILES, Block, Setting, experiments
from validate.experiments.design import FEW, runs_of
from validate.measured import Results
from validate.prediction import judge
from validate.predictions import suite

NET = rn.RunConfig(p=23, d_model=16, d_mlp=32, n_heads=2, dataset_size=1)
KEPT = Path(__file__).parent.parent.parent / "validate" / "data"


def one(kind: str, **block: object) -> rn.RunConfig:
    made = Block((150,), (1e-3,), (4,), 1000)._replace(**block)
    runs = runs_of(Setting("base", "", NET, (400, 300), {kind: (made,)}), kind)
    assert len(runs) == 1
    return runs[0]


KINDS = sorted({kind for name in ("quick", "standard", "paper") for s in PROFILES[name].settings for kind in s.kinds})


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_names_its_protocol_and_its_start(kind: str) -> None:
    run = one(kind)
    assert (run.dataset_size, run.weight_decay, run.seed, run.steps) == (150, 1e-3, 4, 1000)
    assert run.optimizer == ("adam" if kind.endswith(("_coupled", "_constant")) else "adamw")
    assert [p.steps for p in run.phases] == ([800, 200] if kind.endswith("_coupled") else [])
    assert [s.learning_rate for s in run.stages][-1] == (1e-4 if kind.endswith("_coupled") else 1e-3)
    assert run.task == ("random" if kind.startswith("memorising") else "add")
    parent = run.start_from
    if kind.startswith(("memorising", "scratch")):
        assert parent is None
    else:
        assert parent is not None
        assert (parent.dataset_size, parent.steps, parent.weight_decay, parent.seed) == (400, 300, 1.0, 4)
        assert not run.keep_optimizer


def test_a_mixed_run_is_given_its_pairs_after_some_steps_on_few() -> None:
    run = one("mixed_coupled", before=(70,))
    assert run.steps == 1070
    assert [(s.start, s.stop, s.dataset_size, s.learning_rate) for s in run.stages] == [
        (0, 70, FEW, 1e-3),
        (70, 870, 150, 1e-3),
        (870, 1070, 150, 1e-4),
    ]


def test_labels_are_corrupted_by_the_share_that_is_asked() -> None:
    assert one("corrupted_coupled", corrupted=(0.2,)).corrupted == 0.2


@pytest.mark.parametrize("profile", ["quick", "standard", "omnigrok-quick", "omnigrok"])
def test_what_is_kept_is_what_the_profile_trains(profile: str) -> None:
    """Of the standard profile, whose training goes on, a part; what is missing is said."""
    wanted = {e.name: {run.name for run in e.runs} for e in experiments(PROFILES[profile])}
    files = {f"{file.parent.name}/{file.stem}": file for file in (KEPT / profile).glob("*/*.nc")}
    there: dict[str, str] = {}
    for name, file in files.items():
        with xr.open_dataset(file) as kept:
            states = dict(zip(kept.key.values.astype(str).ravel(), kept.status.values.astype(str).ravel(), strict=True))
            configs = json.loads(kept.attrs["configs"])
        runs = {from_dict(c).name: states[key] for key, c in configs.items() if states.get(key, "absent") != "absent"}
        assert set(runs) <= wanted[name] if profile == "standard" else set(runs) == wanted[name], name
        there |= runs
    about = verdicts._about(Results(KEPT / profile))
    assert about["untrained"] == [name for name in wanted if name not in files]
    assert about["untrained"] == [] or profile == "standard"
    assert about["runs"] == len(set().union(*wanted.values()))
    assert about["finished"] == list(there.values()).count("finished")


def test_of_results_that_no_profile_wants_all_that_is_there_is_known(tmp_path: Path) -> None:
    part = tmp_path / "mine" / "base"
    part.mkdir(parents=True)
    (part / "ungrokking.nc").write_bytes((KEPT / "quick" / "base" / "ungrokking.nc").read_bytes())
    about = verdicts._about(Results(tmp_path / "mine"))
    assert (about["runs"], about["finished"], about["untrained"]) == (12, 12, [])
    # The same file is a small part of what a profile of that name wants.
    (tmp_path / "mine").rename(tmp_path / "quick")
    about = verdicts._about(Results(tmp_path / "quick"))
    assert (about["runs"], about["finished"]) == (
        len({r.name for e in experiments(PROFILES["quick"]) for r in e.runs}),
        12,
    )
    assert "base/scratch_coupled" in about["untrained"]


@pytest.mark.parametrize("profile", ["quick", "omnigrok"])
def test_verdicts_that_are_kept_are_those_of_the_runs_that_are_kept(profile: str) -> None:
    results = Results(KEPT / profile)
    ours = verdicts.judgement([judge(p, results) for p in suite(results.names).values()], results)
    theirs = verdicts.load(KEPT / profile / "verdicts.json")
    for one, other in zip(ours.verdicts, theirs.verdicts, strict=True):
        for name, column in one.columns.items():
            assert column.verdict == other.columns[name].verdict, (one.id, name)
            for a, b in zip(column.findings, other.columns[name].findings, strict=True):
                numbers, saved = ((*astuple(f.estimate.interval), *f.estimate.basis) for f in (a, b))
                assert numbers == pytest.approx(saved, rel=1e-4, nan_ok=True), (one.id, name, a.criterion.name)
