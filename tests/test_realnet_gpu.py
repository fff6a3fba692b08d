"""The way to a GPU, as far as a CPU can walk it: stacks by size, padding, recorded steps, the programs to run there."""

from __future__ import annotations

import contextlib
import json
import threading
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import realnet as rn
from realnet.engine import batch, plan, replay, stacked
from realnet.engine.ensemble import Stack
from realnet.records import Folder
from realnet.training.life import How, Life
from tests.benchmarks import check_gpu, gpu_realnet

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")
NET = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, dtype="float64")


def test_a_wide_sweep_on_a_gpu_is_hardly_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "free_memory", lambda device: 60 * 2**30)
    runs = rn.grid(rn.RunConfig(), dataset_size=range(500, 9000, 500), seed=range(20))
    stacks = plan.plan(runs, GPU)
    assert sorted(c.name for s in stacks for c in s) == sorted(c.name for c in runs)
    used = sum(len(s) * s[0].dataset_size for s in stacks)
    needed = sum(c.dataset_size for c in runs)
    assert used < 1.2 * needed
    assert 1 < len(stacks) < 20


def test_padding_to_whole_tiles_changes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (batch.padded(60, CPU), batch.padded(60, GPU), batch.padded(64, GPU)) == (60, 64, 64)
    configs = [NET, replace(NET, seed=1, dataset_size=45)]
    plain = Stack(configs, CPU)
    monkeypatch.setattr(batch, "padded", lambda size, device: 64)
    tiled = Stack(configs, CPU)
    assert tiled.ways.feed.batch.target.shape == (2, 64)
    torch.testing.assert_close(tiled.gradient(), plain.gradient(), rtol=1e-14, atol=0)
    torch.testing.assert_close(tiled.grads, plain.grads, rtol=0, atol=1e-14)


class Cuda:
    """What `replay` asks of torch.cuda; a graph counts how often it is replayed."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.recording = 0

    def CUDAGraph(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(replay=lambda: self.events.append("replay"))

    @contextlib.contextmanager
    def graph(self, graph: object, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        assert stream == ("stream", GPU)
        self.recording += 1
        assert self.recording == 1, "two workers record at once"
        threading.Event().wait(0.05)
        self.events.append("record")
        yield
        self.recording -= 1

    def Stream(self, device: torch.device) -> tuple[str, torch.device]:
        return "stream", device

    def set_device(self, device: torch.device) -> None:
        self.events.append((threading.get_ident(), device))

    def set_stream(self, stream: object) -> None:
        self.events.append((threading.get_ident(), stream))


def test_a_step_is_recorded_once_and_replayed_and_one_worker_records_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda()
    monkeypatch.setattr(torch, "cuda", cuda)
    steps = [replay.Recorded(GPU) for _ in range(3)]
    with replay.workers(3, GPU) as pool:
        list(pool.map(lambda step: [step(lambda: cuda.events.append("act")) for _ in range(10)], steps))
    counts = {name: cuda.events.count(name) for name in ("act", "record", "replay")}
    # Three calls warm up and a fourth is recorded, which runs nothing; that step and all later ones are replayed.
    assert counts == {"act": 3 * 4, "record": 3, "replay": 3 * 7}
    placed = [x for x in cuda.events if isinstance(x, tuple)]
    assert {what for _, what in placed} == {GPU, ("stream", GPU)}
    assert all(first[0] == second[0] for first, second in zip(placed[::2], placed[1::2], strict=True))


def test_on_other_devices_a_step_is_taken_as_it_is() -> None:
    calls = []
    step = replay.Recorded(CPU)
    for _ in range(10):
        step(lambda: calls.append(1))
    assert len(calls) == 10
    assert step.graph is None


def test_check_gpu_runs_in_full_on_a_cpu_standing_in_and_writes_down_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "check.json"
    assert check_gpu.main(["--device", "cpu", "--tiny", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["device"]["name"] == "a CPU standing in"
    assert {part.__name__ for part in check_gpu.PARTS} < set(found)
    assert found["resumption"]["failed_half_way"]
    assert found["provenance"]["versions"]["torch"] == torch.__version__


def test_check_gpu_sees_a_wrong_gradient_and_an_error_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: Any) -> torch.Tensor:
        return 1.001 * right(*arguments)

    def broken(device: torch.device, sizes: check_gpu.Sizes) -> dict[str, Any]:
        raise RuntimeError("the device fell off")

    right = stacked.forward
    monkeypatch.setattr(stacked, "forward", wrong)
    monkeypatch.setattr(check_gpu, "PARTS", (broken, check_gpu.gradients))
    assert check_gpu.main(["--device", "cpu", "--tiny", "--out", str(tmp_path / "check.json")]) == 1
    found = json.loads((tmp_path / "check.json").read_text())
    assert "fell off" in found["broken"]["error"]
    assert not found["gradients"]["look-ups, float64"]["passed"]


def test_bench_gpu_runs_in_full_on_a_cpu_standing_in(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert gpu_realnet.main(["--device", "cpu", "--tiny", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [row["runs"] for row in found["float32: stacks"]] == [1, 2]
    assert all(row["fraction_of_matmul_rate"] > 0 for row in found["float32: stacks"])
    assert len(found["float32: behaviour"]["unseen_accuracy"]) == 2


def test_bench_gpu_says_what_it_needs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_realnet.main([]) == 1
    assert "needs a CUDA GPU" in capsys.readouterr().out


def test_the_record_of_a_run_says_whether_its_products_were_rounded() -> None:
    stack, before = Stack([NET, replace(NET, seed=1)], CPU), torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        assert stack.engine == "stacked"  # TF32 is a GPU's
        stack.device = GPU
        assert stack.engine == "stacked, tf32"
        torch.backends.cuda.matmul.allow_tf32 = False
        assert stack.engine == "stacked"
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def test_training_rounds_to_tf32_when_asked_and_leaves_the_setting_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, advance, before = [], Stack.advance, torch.backends.cuda.matmul.allow_tf32

    def watched(stack: Stack, steps: int) -> None:
        seen.append(torch.backends.cuda.matmul.allow_tf32)
        advance(stack, steps)

    monkeypatch.setattr(Stack, "advance", watched)
    for tf32 in (True, False):
        rn.train(replace(NET, steps=5), "cpu", tf32=tf32, progress=False)
        assert set(seen) == {tf32}
        assert torch.backends.cuda.matmul.allow_tf32 == before
        seen.clear()


@pytest.mark.parametrize("full", [True, False])
def test_a_stacks_measurement_waits_for_the_device_once(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, waits = [NET, replace(NET, seed=1), replace(NET, seed=2, dataset_size=40)], []
    job = Life(runs, dict.fromkeys(runs), Folder(tmp_path), CPU, How())
    job.measure(full, True)  # what outputs are judged by is taken to the device once
    for name in ("item", "cpu", "to", "tolist", "numpy", "__float__", "__bool__", "nonzero"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda x, *a, f=real, n=name, **k: waits.append(n) or f(x, *a, **k))
    job.measure(full, True)
    # What comes after "cpu" is on the host.
    assert waits == ["cpu", "numpy"]
    monkeypatch.undo()
    for i, (run, curves) in enumerate(zip(runs, job.curves, strict=True)):
        alone = Life([run], {run: None}, Folder(tmp_path), CPU, How())
        assert alone.stack.engine == "compiled"
        alone.measure(full, True)
        for name, curve in alone.curves[0].items():
            np.testing.assert_allclose(curves[name][-1], curve[0], rtol=1e-7, atol=1e-9, err_msg=f"{i} {name}")
