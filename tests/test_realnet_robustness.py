"""Real faults: kills, full disks, flipped bits, divergence, no memory, two processes on one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import realnet as rn
from realnet.records import DamagedRecord, Folder, Record, write_atomically
from realnet.results import read_netcdf

TINY = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, steps=120, light_every=10)
PHASED = replace(TINY, phases=(rn.Phase(50), rn.Phase(70, dataset_size=30, keep_optimizer=False)))
LONG = replace(TINY, p=23, dataset_size=300, d_model=32, d_mlp=128, steps=1500, light_every=20)


def bare(ds: xr.Dataset) -> xr.Dataset:
    return ds.drop_vars("wall_time").drop_attrs()


def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """A Python process of its own, with this module's configs at hand."""
    source = f"import resource, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    source += f"from test_realnet_robustness import *\n{code}"
    command = [sys.executable, "-c", source, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **{**pipes, **options})


def train_here(out: Path, *configs: rn.RunConfig, **options: object) -> xr.Dataset:
    return rn.train(configs, "cpu", out, progress=False, **options)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return bare(train_here(tmp_path_factory.mktemp("whole"), *rn.grid(LONG, seed=range(3))))


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.7])
def test_kill_9_at_any_moment_loses_no_checkpoint_and_the_resumed_result_is_the_uninterrupted_one(
    tmp_path: Path, uninterrupted: xr.Dataset, delay: float
) -> None:
    code = "rn.train(rn.grid(LONG, seed=range(3)), 'cpu', sys.argv[1], progress=False, checkpoint_seconds=0.01)"
    child = start(code, tmp_path)
    folder, runs = Folder(tmp_path), rn.grid(LONG, seed=range(3))
    deadline = time.monotonic() + 120
    while not folder.file(runs[0]).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    reached = folder.read(runs[0]).step
    assert reached > 0
    assert sum(folder.read(r).done for r in runs if folder.read(r)) < 3
    early = rn.load(tmp_path)
    assert early.steps_done.max() >= reached
    # Not trained from the start again: a resumed run begins at its checkpoint.
    resumed = bare(rn.train(runs, "cpu", tmp_path, progress=False))
    xr.testing.assert_identical(resumed, uninterrupted)
    assert sorted(p.name for p in (tmp_path / "locks").glob("*.lease")) == []


def test_control_c_saves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    code = "from realnet.__main__ import main; from realnet.records import Folder; import signal\n"
    # A shell that started the tests in the background had its children ignore Control-C.
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "Folder(sys.argv[1]).add([replace(LONG, steps=10**6)])\n"
    code += "print('ready', flush=True); sys.exit(main(['resume', sys.argv[1], '--device', 'cpu']))"
    child = start(code, tmp_path)
    assert child.stdout.readline() == "ready\n"
    folder, run = Folder(tmp_path), replace(LONG, steps=10**6)
    # The bar appears once training goes on; no checkpoint is due for a minute.
    for line in iter(lambda: child.stderr.read(20), ""):
        if "run-step/s" in line or "%" in line:
            break
    time.sleep(2)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert "the same command goes on from the last checkpoint" in err
    assert folder.read(run).step > 0


def test_resuming_takes_only_the_steps_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from realnet.engine.ensemble import Stack

    seen: list[int] = []
    advance = Stack.advance

    def stop_at_60(self: Stack, steps: int) -> None:
        if self.step >= 60:
            raise KeyboardInterrupt
        advance(self, steps)

    monkeypatch.setattr(Stack, "advance", stop_at_60)
    with pytest.raises(KeyboardInterrupt):
        train_here(tmp_path, PHASED, checkpoint_seconds=0)
    assert Folder(tmp_path).read(PHASED).step == 60

    def count(self: Stack, steps: int) -> None:
        seen.append(steps)
        advance(self, steps)

    monkeypatch.setattr(Stack, "advance", count)
    resumed = train_here(tmp_path, PHASED)
    assert sum(seen) == 60
    seen.clear()
    xr.testing.assert_identical(bare(train_here(tmp_path, PHASED)), bare(resumed))
    assert seen == []  # a finished run is never trained twice
    monkeypatch.undo()
    xr.testing.assert_identical(bare(resumed), bare(train_here(tmp_path / "whole", PHASED)))


@pytest.mark.parametrize("place", [0.0, 0.02, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_checkpoint_is_seen_and_the_results_are_as_before(tmp_path: Path, place: float, damage: str) -> None:
    before, folder = train_here(tmp_path, TINY), Folder(tmp_path)
    path = folder.file(TINY)
    content = bytearray(path.read_bytes())
    at = int(place * len(content))
    if damage == "flip":
        content[at] ^= 0x10
    path.write_bytes(content[:at] if damage == "cut" else content)
    with pytest.warns(UserWarning, match="is damaged"):
        assert folder.read(TINY, "curve", "state") is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # results do not need the state, so its damage may go unsaid
        again = train_here(tmp_path, TINY)
    xr.testing.assert_identical(bare(again), bare(before))


def test_every_flipped_byte_of_a_checkpoint_is_seen(tmp_path: Path) -> None:
    arrays = {"weights": np.arange(5, dtype=np.float32)}
    curves = {"step": np.arange(2)}
    path, content = tmp_path / "run", Record(TINY, "running", 3, arrays, curves).to_bytes()
    path.write_bytes(content)
    assert Record.from_file(path, "curve", "state").step == 3
    silent = 0
    for at in range(len(content)):
        broken = bytearray(content)
        broken[at] ^= 0x01
        path.write_bytes(broken)
        try:
            read = Record.from_file(path, "curve", "state")
        except DamagedRecord:
            continue
        # JSON's padding spaces and letter case of escapes may change without changing what is said.
        silent += 1
        assert (read.config, read.step, read.status) == (TINY, 3, "running")
        np.testing.assert_array_equal(read.tensors["weights"], arrays["weights"])
        np.testing.assert_array_equal(read.curves["step"], curves["step"])
    assert silent < 0.1 * len(content)


def test_what_is_not_asked_for_is_not_read_and_its_damage_is_not_seen(tmp_path: Path) -> None:
    arrays = {"weights": np.arange(50, dtype=np.float32)}
    content = Record(TINY, "running", 3, arrays, {"step": np.arange(2)}).to_bytes()
    (tmp_path / "run").write_bytes(content.replace(arrays["weights"].tobytes(), bytes(200)))
    assert Record.from_file(tmp_path / "run").curves == {}
    assert Record.from_file(tmp_path / "run", "curve").curves["step"].tolist() == [0, 1]
    assert Record.from_file(tmp_path / "run", "curve").tensors == {}
    with pytest.raises(DamagedRecord):
        Record.from_file(tmp_path / "run", "state")


def test_a_file_size_limit_gives_a_clear_error_and_leaves_old_files_whole(tmp_path: Path) -> None:
    train_here(tmp_path, TINY)
    before = {f: f.read_bytes() for f in (tmp_path / "runs").iterdir()}
    code = """
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    rn.train([TINY, replace(TINY, seed=1)], 'cpu', sys.argv[1], progress=False)
except rn.StorageError as error:
    print(error)
"""
    child = start(code, tmp_path)
    out, err = child.communicate(timeout=120)
    assert "must be writable; the disk is full or a size limit is reached" in out, err
    assert "free some space" in out
    assert {f: f.read_bytes() for f in (tmp_path / "runs").iterdir()} == before
    assert rn.load(tmp_path).status.values.ravel().tolist() == ["finished", "pending"]
    done = train_here(tmp_path, TINY, replace(TINY, seed=1))
    assert (done.status == "finished").all()


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs is not allowed here; the size-limit test covers the same code")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_gives_a_clear_error_and_leaves_old_files_whole(small_disk: Path) -> None:
    train_here(small_disk, TINY)
    (small_disk / "filler").write_bytes(b"\0" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize))
    with pytest.raises(rn.StorageError, match="the disk is full"):
        train_here(small_disk, replace(TINY, seed=1))
    record = Folder(small_disk).read(TINY)
    assert record.done
    (small_disk / "filler").unlink()
    assert (train_here(small_disk, TINY, replace(TINY, seed=1)).status == "finished").all()


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(name: str) -> None:
        Path(name).write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(rn.StorageError):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stack_size", [None, 3])
def test_a_diverging_run_is_marked_and_the_others_go_on(tmp_path: Path, stack_size: int | None) -> None:
    wild = replace(TINY, seed=9, optimizer="sgd", learning_rate=1e6)
    calm = [replace(TINY, seed=s, optimizer="sgd", learning_rate=0.1) for s in (0, 1)]
    ds = train_here(tmp_path, wild, *calm, stack_size=stack_size)
    assert sorted(s for s in ds.status.values.ravel() if s != "absent") == [
        "diverged",
        "finished",
        "finished",
    ]
    assert ds.learning_rate.sel(seed=9).item() == 1e6
    alone = train_here(tmp_path / "calm", *calm)
    for seed in (0, 1):
        with_wild = ds.sel(seed=seed).train_loss.dropna("step").squeeze()
        plain = alone.sel(seed=seed).train_loss.dropna("step").squeeze()
        np.testing.assert_allclose(with_wild, plain, rtol=1e-4 if stack_size else 0)
    again = train_here(tmp_path, wild, *calm, stack_size=stack_size)
    xr.testing.assert_identical(bare(again), bare(ds))


def test_out_of_memory_halves_the_stack_and_goes_on(tmp_path: Path) -> None:
    """A real limit on the address space, in a process of its own: 48 runs do not fit in a stack, fewer do."""
    code = """
import torch
from realnet.engine.ensemble import Stack
base = rn.RunConfig(p=43, d_model=64, d_mlp=256, dataset_size=1500, steps=2, light_every=2, activation='gelu')
Stack([base], torch.device('cpu')).advance(1)  # libraries take their room before the limit is set
sizes = []
make = Stack.__init__
def noted(self, configs, device):
    sizes.append(len(configs))
    make(self, configs, device)
Stack.__init__ = noted
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
ds = rn.train(rn.grid(base, seed=range(48)), 'cpu', sys.argv[1], stack_size=48, workers=1, progress=False)
print((ds.status == 'finished').all().item(), sizes[0], min(sizes))
"""
    out, err = start(code, tmp_path).communicate(timeout=300)
    assert out.split()[:2] == ["True", "48"], err[-2000:]
    assert int(out.split()[2]) < 48


def test_a_run_too_large_for_memory_says_so(tmp_path: Path) -> None:
    code = """
import torch
from realnet.engine.ensemble import Stack
Stack([TINY], torch.device('cpu')).advance(1)
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
try:
    rn.train(rn.RunConfig(d_model=4096, d_mlp=16384, steps=2), 'cpu', sys.argv[1], progress=False)
except MemoryError as error:
    print(error)
"""
    out, err = start(code, tmp_path).communicate(timeout=300)
    assert "must fit in memory" in out, err[-2000:]


def test_what_measuring_takes_is_known(tmp_path: Path) -> None:
    code = """
import torch
from realnet import metrics
from realnet.engine.ensemble import Stack
from realnet.engine.plan import measuring
def peak():
    # Not ru_maxrss, which starts as that of the process before.
    return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) * 1024
def measure(config):
    stack = Stack([config], torch.device('cpu'))
    stack.gradient()
    before = peak()
    views = (stack.layout.views(z[0]) for z in (stack.weights, stack.grads))
    run = stack.runs[0]
    shot = metrics.Snapshot(config, 0, stack.data[0], stack.table_logits(0), *views, run.task, run.loss)
    metrics.measure([shot])
    return peak() - before
measure(TINY)
config = replace(TINY, p=200)
print(measure(config) / measuring(config))
"""
    out, err = start(code, tmp_path).communicate(timeout=300)
    assert 0.5 < float(out) < 1.1, err[-2000:]


def test_two_processes_share_a_folder_and_every_run_comes_out_once(tmp_path: Path, uninterrupted: xr.Dataset) -> None:
    code = """
from realnet.engine.ensemble import Stack
steps = 0
advance = Stack.advance
def count(self, n):
    global steps
    steps += n
    advance(self, n)
Stack.advance = count
options = {"progress": False, "workers": 1, "checkpoint_seconds": 0.05}
ds = rn.train(rn.grid(LONG, seed=range(3)), "cpu", sys.argv[1], **options)
ds.to_netcdf(sys.argv[2], engine='netcdf4')
print(steps)
"""
    children = [start(code, tmp_path, tmp_path / f"seen{i}.nc") for i in range(2)]
    outputs = [c.communicate(timeout=300) for c in children]
    assert [c.returncode for c in children] == [0, 0], outputs
    assert sum(int(out) for out, _ in outputs) == 3 * LONG.steps
    for i in range(2):
        xr.testing.assert_identical(bare(read_netcdf(tmp_path / f"seen{i}.nc")), uninterrupted)


@pytest.mark.parametrize("stack_size", [1, 2])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_training_leaves_no_subnormal_numbers(tmp_path: Path, optimizer: str, stack_size: int) -> None:
    # On some processors arithmetic on them is several times slower. Symbols that the second phase no longer shows have
    # gradients of exactly 0, as dead units have, and fast betas bring their moments there soon.
    phases = (rn.Phase(50), rn.Phase(350, dataset_size=4))
    base = replace(TINY, betas=(0.7, 0.7), optimizer=optimizer, weight_decay=0.0, phases=phases)
    configs = rn.grid(base, seed=range(2))
    train_here(tmp_path, *configs, stack_size=stack_size)
    for config in configs:
        record = Folder(tmp_path).read(config, "state")
        assert record is not None
        for name in ("weights", "first", "second"):
            size = np.abs(record.tensors[name])
            assert not ((size > 0) & (size < np.finfo(np.float32).tiny)).any()
    assert np.float32(1e-38) * np.float32(0.01) > 0, "the caller's own arithmetic is as it was"


def test_results_can_be_read_while_runs_are_being_trained(tmp_path: Path) -> None:
    code = "rn.train(replace(LONG, steps=10**6), 'cpu', sys.argv[1], progress=False, checkpoint_seconds=0.05)"
    child = start(code, tmp_path)
    try:
        deadline, steps = time.monotonic() + 120, []
        while len(set(steps)) < 3 and time.monotonic() < deadline:
            if list((tmp_path / "runs").glob("*.safetensors") if (tmp_path / "runs").exists() else []):
                ds = rn.load(tmp_path)
                steps.append(int(ds.steps_done.squeeze()))
                assert ds.status.item() == "running"
                assert ds.light_train_loss.notnull().any()
            time.sleep(0.05)
        assert len(set(steps)) >= 3
        assert steps == sorted(steps)
    finally:
        child.kill()
        child.wait()
