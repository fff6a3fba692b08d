"""Folders and leases without any training: a run's lengths, second copies, lists, other versions, who holds what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import realnet as rn
from realnet.records import DamagedRecord, Folder, Leases, OtherVersion, Record, leases
from realnet.results import dataset, read_netcdf, records, write_netcdf

RUN = rn.RunConfig(p=11, dataset_size=60, steps=100, light_every=10)


def record(config: rn.RunConfig, step: int, status: str = "running") -> Record:
    """A record at `step`, measured at every tenth step."""
    at = np.arange(0, step + 1, 10)
    curves = {"step": at, "norm": at * 1.0, "light_step": at, "light_norm": at * 2.0}
    state = {"weights": np.full(50, step, np.float32)}
    return Record(config, status, step, state, curves, 1.5, {"versions": '{"two-circuits": "0.1.0"}', "commit": "abc"})


def test_a_longer_run_goes_on_from_a_shorter_one_and_leaves_it_whole(tmp_path: Path) -> None:
    folder, longer = Folder(tmp_path), replace(RUN, steps=200)
    folder.write(record(RUN, 100, "finished"))
    found = folder.read(longer, "curve", "state")
    assert (found.step, found.status, found.config) == (100, "running", longer)
    assert found.tensors["weights"][0] == 100
    folder.write(record(longer, 150))
    assert Folder(tmp_path).read(longer).step == 150
    assert folder.read(RUN, "state").done
    assert folder.read(RUN, "state").tensors["weights"][0] == 100


def test_a_shorter_run_is_a_longer_one_cut_but_only_its_own_file_has_its_weights(tmp_path: Path) -> None:
    folder, shorter = Folder(tmp_path), replace(RUN, steps=45)
    folder.write(record(RUN, 100, "finished"))
    found = folder.read(shorter, "curve")
    assert (found.step, found.status) == (45, "finished")
    assert found.curves["step"].tolist() == found.curves["light_step"].tolist() == [0, 10, 20, 30, 40]
    assert found.curves["light_norm"].tolist() == [0, 20, 40, 60, 80]
    assert folder.read(shorter, "state") is None
    folder.write(record(shorter, 30))
    assert folder.read(shorter, "state").step == 30


def test_a_run_that_diverged_has_diverged_at_any_greater_length(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(record(RUN, 50, "diverged"))
    assert folder.read(replace(RUN, steps=1000)).done
    assert folder.read(replace(RUN, steps=40)).status == "finished"


def test_another_measuring_finds_the_same_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(record(RUN, 100, "finished"))
    assert folder.read(replace(RUN, light_every=3, points_per_decade=2)).done
    assert folder.read(replace(RUN, seed=1)) is None


def test_a_file_of_another_run_under_this_ones_name_is_not_taken_for_it(tmp_path: Path) -> None:
    folder, other = Folder(tmp_path), replace(RUN, seed=1)
    folder.write(record(other, 100, "finished"))
    os.replace(folder.file(other), folder.file(RUN))
    with pytest.warns(UserWarning, match="belongs to another config"):
        assert folder.read(RUN) is None


def of_another_version(content: bytes, **changes: str) -> bytes:
    """A checkpoint as a version with other fields, or another format, would have written it."""
    import safetensors.numpy

    from realnet.records.store import _digest_of_header

    length = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + length])["__metadata__"] | changes
    about.pop("sha256")
    return safetensors.numpy.save(safetensors.numpy.load(content), about | {"sha256": _digest_of_header(about)})


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"format": "3"}, "its format is 3, not 2"), ({"config": '{"p": 11, "sparsity": 2}'}, "sparsity")],
)
def test_a_checkpoint_of_another_version_is_said_to_be_one(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    folder = Folder(tmp_path)
    folder.write(record(RUN, 100, "finished"))
    folder.add([RUN])
    before = of_another_version(folder.file(RUN).read_bytes(), **changes)
    folder.file(RUN).write_bytes(before)
    with pytest.raises(OtherVersion, match=r"whole one of two-circuits 0\.1\.0, commit abc.*another folder") as caught:
        rn.train(RUN, "cpu", tmp_path, progress=False)
    assert why in str(caught.value)
    assert "spelling" not in str(caught.value)
    assert folder.file(RUN).read_bytes() == before
    with pytest.warns(UserWarning, match=r"whole one of two-circuits 0\.1\.0"):
        assert rn.load(tmp_path).status.item() == "pending"


def test_lists_of_runs_are_read_in_the_order_of_asking_and_are_never_asked_twice(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    first, second = rn.grid(RUN, seed=range(3)), rn.grid(RUN, seed=range(2, 5), weight_decay=[0.1, 1.0])
    for runs in (first, second, first):
        folder.add(runs)
        time.sleep(0.01)
    assert folder.configs() == list(dict.fromkeys(first + second))
    assert len(list(folder.sweeps.iterdir())) == 2


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"runs": 3}', '{"runs": [{"sparsity": 2}]}'])
def test_a_lost_list_loses_no_run(tmp_path: Path, content: str | None) -> None:
    folder = Folder(tmp_path)
    runs = rn.grid(RUN, seed=range(3))
    folder.add(runs)
    for run in runs:
        folder.write(record(run, 100, "finished"))
    (path,) = folder.sweeps.iterdir()
    if content is None:
        path.unlink()
        found = Folder(tmp_path, create=False).configs()
    else:
        path.write_text(content)
        with pytest.warns(UserWarning, match="runs are known by their checkpoints"):
            found = Folder(tmp_path, create=False).configs()
    assert sorted(c.name for c in found) == sorted(c.name for c in runs)


def test_temporary_files_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    old, new = folder.runs / ".a.tmp", folder.runs / ".b.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (1, 1))
    Folder(tmp_path)
    assert [p.name for p in folder.runs.iterdir()] == [".b.tmp"]


def test_an_irregular_sweep_has_a_row_a_run() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(10, 120, 60)
    runs = [replace(RUN, seed=i, dataset_size=int(n), weight_decay=float(rng.random())) for i, n in enumerate(sizes)]
    ds = dataset(runs, {run: record(run, 100, "finished") for run in runs[:-1]})
    assert ds.norm.dims == ("run", "step")
    assert ds.nbytes < 1e6  # the product of the axes would be 60 × 60 × 60 curves
    assert ds.seed.dims == ds.weight_decay.dims == ("run",)
    one = ds.swap_dims(run="seed").sel(seed=7)
    assert one.dataset_size == sizes[7]
    assert one.key == runs[7].name
    assert ds.status.values.tolist() == ["finished"] * 59 + ["pending"]
    assert ds.norm.isel(run=-1).isnull().all()


def test_a_grid_with_some_holes_stays_a_grid() -> None:
    runs = rn.grid(RUN, dataset_size=[30, 60], weight_decay=[0.1, 1.0], seed=range(2))[:3]
    ds = dataset(runs, {})
    assert ds.status.dims == ("dataset_size", "weight_decay", "seed")
    assert (ds.status == "absent").sum() == 1


@pytest.mark.parametrize("rows", [False, True])
def test_the_records_of_a_saved_data_set_are_those_it_was_made_of(tmp_path: Path, rows: bool) -> None:
    runs = [replace(RUN, seed=i, weight_decay=0.1 * i if rows else 1.0) for i in range(8)]
    made = {run: record(run, 100 if i else 50, "finished" if i else "running") for i, run in enumerate(runs[:6])}
    made[runs[5]].curves["gen_logit"] = np.linspace(0, 1, 11)
    made[runs[5]].provenance["commit"] = "def"
    ds = dataset(runs, made)
    assert (ds.status.dims == ("run",)) is rows
    write_netcdf(ds, tmp_path / "all.nc")
    found = records(read_netcdf(tmp_path / "all.nc"))
    assert set(found) == {run.name for run in runs[1:6]}  # those that are finished
    again = dataset(runs, {run: found[run.name] for run in runs[1:6]} | {runs[0]: made[runs[0]]})
    xr.testing.assert_equal(again, ds)
    assert again.attrs == ds.attrs


def test_an_axis_may_be_of_any_kind() -> None:
    runs = rn.grid(RUN, biases=[True, False], activation=["relu", "gelu"], weight_decay=[0.3, 0.1], seed=[3, 1])
    made = {run: record(run, 100, "finished") for run in runs}
    for i, run in enumerate(runs):
        made[run].curves["norm"] = made[run].curves["norm"] + i
    ds = dataset(runs, made)
    assert ds.status.dims == ("activation", "biases", "dataset_size", "weight_decay", "seed")
    assert ds.activation.values.tolist() == ["relu", "gelu"]  # texts in the order of asking, numbers in theirs
    assert ds.biases.values.tolist() == [False, True]
    assert ds.seed.values.tolist() == [1, 3]
    for i, run in enumerate(runs):
        at = {n: getattr(run, n) for n in ("activation", "weight_decay", "seed")}
        one = ds.isel(biases=int(run.biases)).sel(at).squeeze()
        assert one.key == run.name
        assert one.norm[0] == i


def test_curves_of_unequal_lengths_lie_on_their_own_steps() -> None:
    short, long = replace(RUN, seed=0), replace(RUN, seed=1)
    spectrum = {"frequency_share": np.arange(22.0).reshape(11, 2)}
    records = {short: record(short, 40), long: record(long, 100, "finished")}
    records[long].curves |= spectrum
    ds = dataset([short, long], records).squeeze()
    assert ds.norm.sel(seed=0).dropna("step").step.values.tolist() == [0, 10, 20, 30, 40]
    assert ds.norm.sel(seed=1, step=70) == 70
    assert ds.light_norm.sel(seed=1, light_step=100) == 200
    assert ds.frequency.values.tolist() == [1, 2]
    assert ds.frequency_share.sel(seed=1, step=20, frequency=2) == 5
    assert ds.frequency_share.sel(seed=0).isnull().all()


def test_units_follow_the_longest_ending() -> None:
    one = record(RUN, 10)
    one.curves |= {"train_gradient_norm": np.zeros(2), "light_train_loss": np.zeros(2)}
    ds = dataset([RUN], {RUN: one})
    assert ds.train_gradient_norm.attrs["units"] == "nats/norm"
    assert ds.norm.attrs["units"] == "norm"
    assert ds.light_train_loss.attrs["units"] == "nats"


def test_units_are_those_of_the_loss() -> None:
    squared, own = replace(RUN, loss="mse"), replace(RUN, loss="mine:hinge", source="0123")
    one = record(RUN, 10)
    one.curves |= {name: np.zeros(2) for name in ("train_loss", "train_gradient_norm", "train_margin", "train_logit")}
    for runs, units in (
        ([squared], ["target^2", "target^2/norm", "target", "nats"]),
        ([own], ["loss", "loss/norm", "output", "nats"]),
        ([RUN, squared], ["loss", "loss/norm", "output", "nats"]),
        ([RUN, replace(RUN, loss="stablemax")], ["nats", "nats/norm", "nats", "nats"]),
    ):
        ds = dataset(runs, dict.fromkeys(runs, one))
        names = ("train_loss", "train_gradient_norm", "train_margin", "train_logit")
        assert [ds[name].attrs["units"] for name in names] == units


# --- Leases -----------------------------------------------------------------------------------------------------------


def test_a_name_has_one_holder_until_it_is_given_back(tmp_path: Path) -> None:
    with Leases(tmp_path) as one, Leases(tmp_path) as two:
        assert one.acquire("run")
        assert not one.acquire("run")
        assert not two.acquire("run")
        assert one.mine("run")
        assert not two.mine("run")
        two.release("run")  # not two's to give
        assert one.mine("run")
        one.release("run")
        assert two.acquire("run")
        assert two.company()
    assert list(tmp_path.iterdir()) == []


def test_many_threads_and_one_name(tmp_path: Path) -> None:
    """At any time one holder; every claim that succeeds counts up a number without a lock of its own."""
    total, errors = [0], []

    def work() -> None:
        with Leases(tmp_path) as mine:
            for _ in range(20):
                while not mine.acquire("run"):
                    time.sleep(0.001)
                seen = total[0]
                time.sleep(0.0002)
                if total[0] != seen:
                    errors.append(seen)
                total[0] = seen + 1
                mine.release("run")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    assert total == [80]


HOLD = """
import sys, time
from pathlib import Path
from realnet.records.leases import Leases
held = Leases(Path(sys.argv[1])).__enter__()
print(held.acquire("run"), flush=True)
time.sleep(1000)
"""


def test_a_killed_holders_name_is_free_at_once_and_goes_to_one_heir(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "True\n"
    sessions = [Leases(tmp_path).__enter__() for _ in range(8)]
    assert not any(s.acquire("run") for s in sessions)
    child.kill()
    child.wait()
    got: list[bool] = []
    threads = [threading.Thread(target=lambda s=s: got.append(s.acquire("run"))) for s in sessions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sum(got) == 1
    for s in sessions:
        s.__exit__(None, None, None)
    assert [p.suffix for p in tmp_path.iterdir()] == [".beat"]  # the killed one's


def test_a_holder_elsewhere_is_dead_after_a_minute_of_silence_by_the_file_servers_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Leases(tmp_path) as here, Leases(tmp_path) as there:
        assert there.acquire("run")
        beat = tmp_path / f"{there.session}.beat"
        beat.write_text(json.dumps({"machine": "another", "pid": 1, "started": "1"}))
        assert not here.acquire("run")
        monkeypatch.setattr(there, "_touch", lambda: None)
        now = beat.stat().st_mtime
        os.utime(beat, (now, now - leases.PATIENCE + 5))
        assert not here.acquire("run")
        os.utime(beat, (now, now - leases.PATIENCE - 5))
        assert here.acquire("run")
        assert not there.mine("run")  # asked before each checkpoint, so the old holder stops writing


def test_a_lease_without_content_waits_until_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "run.lease").touch()
    with Leases(tmp_path) as one:
        assert not one.acquire("run")
        os.utime(tmp_path / "run.lease", (1, 1))
        assert one.acquire("run")


def test_an_heir_that_died_at_it_does_not_block_the_name(tmp_path: Path) -> None:
    (tmp_path / "run.lease").write_text("gone")
    (tmp_path / "run.gone.heir").touch()
    with Leases(tmp_path) as one:
        assert not one.acquire("run")
        os.utime(tmp_path / "run.gone.heir", (1, 1))
        assert one.acquire("run")
    assert not list(tmp_path.glob("*.heir"))


def test_a_damaged_record_is_not_one_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0" * 100)
    with pytest.raises(DamagedRecord):
        Record.from_file(tmp_path / "x")
