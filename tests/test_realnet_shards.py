"""A sweep in parts: how it is cut, job arrays, and executors whose workers are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

import realnet as rn
from realnet.records import Folder
from realnet.training.shards import ExecutorError, cost, cut
from tests.test_realnet_sweep import SLOW, TINY, bare, start, train, wait_for

# --- Shards ------------------------------------------------------------------------------------------------------------


def test_shards_are_every_run_once_and_keep_families_together() -> None:
    children = [
        replace(TINY, dataset_size=d, seed=s, start_from=replace(TINY, seed=s)) for s in range(6) for d in (5, 10)
    ]
    runs = [*children, *rn.grid(TINY, seed=range(6, 18))]
    parts = cut(runs, 3)
    assert sorted(r.name for part in parts for r in part) == sorted(r.name for r in runs)
    for part in parts:
        for run in part:
            if run.start_from:
                assert sum(r.start_from == run.start_from for r in part) == 2
    loads = [sum(map(cost, part)) for part in parts]
    assert max(loads) < 1.2 * min(loads)
    assert cut(list(reversed(runs)), 3) != []
    assert cut(runs, 100)[99] == []


def test_a_family_larger_than_a_shard_is_dealt_out() -> None:
    runs = [replace(TINY, dataset_size=d, start_from=TINY) for d in range(1, 17)]
    assert all(2 <= len(part) <= 8 for part in cut(runs, 4))


def test_the_lengths_of_a_run_stay_in_one_shard() -> None:
    runs = rn.grid(TINY, seed=range(8), steps=[20, 60])
    assert all(len({run.key for run in part}) == len(part) / 2 for part in cut(runs, 4))


def test_shards_of_a_job_array_train_everything_once(tmp_path: Path) -> None:
    runs = [*rn.grid(TINY, seed=range(4)), replace(TINY, dataset_size=9, start_from=TINY)]
    for i in range(3):
        status = train(tmp_path, *runs, shard=(i, 3), collect=False)
        assert (status.status == "finished").all()
        assert set(status.steps_done.values) <= {60}
    assert not (tmp_path / "results.nc").exists()
    assert len(Folder(tmp_path).configs()) == 5
    assert (rn.load(tmp_path).status == "pending").sum() == 0


# --- Executors ---------------------------------------------------------------------------------------------------------

RUNS = rn.grid(replace(SLOW, steps=800), seed=range(3))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return bare(train(tmp_path_factory.mktemp("alone"), *RUNS))


def kill_a_trainer(out: Path, pids: object) -> threading.Thread:
    """Kills, once something has been trained, a process that holds a run; says so in `killed`."""

    def kill() -> bool:
        for path in (out / "locks").glob("*.lease"):
            # A lease or its beat may be gone, or not there yet, when it is read.
            with contextlib.suppress(OSError, ValueError):
                pid = json.loads((out / "locks" / f"{path.read_text()}.beat").read_text())["pid"]
                if pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
                    pids.append(pid)
                    return True
        return False

    def work() -> None:
        wait_for(kill)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def in_shards(out: Path, executor: object, shards: int = 3) -> xr.Dataset:
    return bare(train(out, *RUNS, executor=executor, shards=shards, checkpoint_seconds=0.1))


def test_a_process_pool_trains_a_sweep_and_says_when_it_is_broken(tmp_path: Path, alone: xr.Dataset) -> None:
    killed: list[int] = []
    with ProcessPoolExecutor(2) as pool:
        killer = kill_a_trainer(tmp_path, killed)
        with pytest.raises(ExecutorError, match=r"must keep its workers; shard .* the same call with a new executor"):
            in_shards(tmp_path, pool)
        killer.join()
    assert killed
    with ProcessPoolExecutor(2) as pool:
        xr.testing.assert_identical(in_shards(tmp_path, pool), alone)


@pytest.fixture
def cluster() -> Iterator[object]:
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
        distributed.Client(local) as client,
    ):
        yield client


def test_dask_trains_a_sweep_also_when_a_worker_is_killed(tmp_path: Path, alone: xr.Dataset, cluster: object) -> None:
    killed: list[int] = []
    killer = kill_a_trainer(tmp_path, killed)
    xr.testing.assert_identical(in_shards(tmp_path, cluster), alone)
    killer.join()
    assert killed


def test_submitit_trains_a_sweep_also_when_a_job_is_killed(
    tmp_path: Path, alone: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitit = pytest.importorskip("submitit")
    # How long a result that a killed job will never write is waited for: disks of clusters can be late.
    monkeypatch.setattr(submitit.core.core.Job, "_results_timeout_s", 1)
    executor = submitit.LocalExecutor(folder=tmp_path / "log")
    executor.update_parameters(timeout_min=5)
    killed: list[int] = []
    killer = kill_a_trainer(tmp_path / "runs", killed)
    xr.testing.assert_identical(in_shards(tmp_path / "runs", executor, 2), alone)
    killer.join()
    assert killed


class AtOnce:
    """An executor that works while it is asked."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths

    def submit(self, function: object, /, *arguments: object) -> Future[object]:
        future: Future[object] = Future()
        if self.deaths:
            self.deaths -= 1
            future.set_exception(EOFError("the worker is gone"))
        else:
            future.set_result(function(*arguments))
        return future


def test_a_shard_is_tried_three_times_and_the_trainings_own_errors_are_raised(tmp_path: Path) -> None:
    train(tmp_path, TINY, executor=AtOnce(2))
    with pytest.raises(ExecutorError, match=r"shard 0 of 1 ended 3 times in EOFError \(the worker is gone\)"):
        train(tmp_path, replace(TINY, seed=5), executor=AtOnce(3))

    def bad(snapshot: object) -> dict[str, float]:
        return {"seed": 1.0}

    with pytest.raises(rn.ConfigError, match="names must be its own"):
        train(tmp_path, replace(TINY, seed=6), executor=AtOnce(0), callbacks=[bad])


def test_stopping_the_one_who_submits_stops_the_workers(tmp_path: Path) -> None:
    code = """
from concurrent.futures import ProcessPoolExecutor
pool = ProcessPoolExecutor(1)
rn.train(replace(SLOW, steps=10**8), "cpu", sys.argv[1], executor=pool, progress=False)
"""
    child = start(code, tmp_path)
    wait_for(lambda: list((tmp_path / "locks").glob("*.lease")) or child.poll() is not None)
    time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=60)
    wait_for(lambda: not list((tmp_path / "locks").glob("*.lease")), 30)
    assert Folder(tmp_path).read(replace(SLOW, steps=10**8)).step > 0
