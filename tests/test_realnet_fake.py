"""The GPU's path without a GPU: tensors that only say what they are, on a device "cuda"; one left behind is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode

import realnet as rn
from realnet import metrics
from realnet.engine import ensemble, general, stacked
from realnet.engine.plan import engine_class
from realnet.prepared import prepare
from realnet.records import Folder, Record
from realnet.training.life import How, Life

GPU = torch.device("cuda:0")
NET = rn.RunConfig(p=13, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, steps=20, light_every=5, seed=40)
KINDS: dict[str, dict[str, Any]] = {
    "look-ups": {"optimizer": "adamw"},
    "layers": {"n_layers": 2, "layer_norm": True, "biases": True, "loss": "mse"},
    "general": {"network": "mlp", "temperature": 2.0},
    "mini-batches": {"batch_size": 20, "optimizer": "sgd", "gradient_filter": "clip"},
    "dropout": {"network": "mlp", "dropout": 0.3, "optimizer": "muon"},
    "frozen": {"frozen": ("embed.*",), "groups": {"*": {"weight_decay": 0.5}}, "optimizer": "rmsprop"},
    "filters": {"gradient_filter": "grokfast_ma", "options": {"grokfast_window": 3}, "fixed_norm": True},
    "sums of losses": {"loss": "stablemax", "gradient_filter": "perpendicular", "schedule": "cosine"},
}


@contextlib.contextmanager
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device that computes nothing: what would be read from it is made up, recorded steps are taken as they are."""
    real = torch.Tensor.numpy, torch.Tensor.__getitem__, torch.Tensor.__setitem__, torch.Tensor.copy_

    def numpy(x: torch.Tensor, *rest: Any) -> np.ndarray:
        if not isinstance(x, FakeTensor):
            return real[0](x, *rest)
        assert x.device.type == "cpu", "read from the device without a copy"
        return np.ones(tuple(x.shape), str(x.dtype).removeprefix("torch."))

    def set_item(x: torch.Tensor, key: Any, value: Any) -> None:
        if not isinstance(x, FakeTensor):
            return real[2](x, key, value)
        places, index = taken_apart(x, key)
        if index:
            torch.ops.aten.index_put_(places, index, value)
        else:
            places.copy_(value)
        return None

    def copy(x: torch.Tensor, other: torch.Tensor, *rest: Any) -> torch.Tensor:
        if not isinstance(x, FakeTensor):
            return real[3](x, other, *rest)
        assert torch.broadcast_shapes(x.shape, other.shape) == x.shape
        return x  # from any device, as copies go

    def to(net: torch.nn.Module, like: torch.Tensor) -> torch.nn.Module:
        for part in net.modules():
            for name, x in part._parameters.items():
                part._parameters[name] = torch.nn.Parameter(torch.empty_like(x, device=like.device), x.requires_grad)
            for name, x in part._buffers.items():
                part._buffers[name] = torch.empty_like(x, device=like.device)
        return net

    def item(x: torch.Tensor, key: Any) -> torch.Tensor:
        if not isinstance(x, FakeTensor):
            return real[1](x, key)
        places, index = taken_apart(x, key)
        return torch.ops.aten.index(places, index) if index else places

    def grad(outputs: torch.Tensor, inputs: Any, slopes: Any = None, **_: Any) -> list[torch.Tensor]:
        assert slopes is None or (slopes.device, slopes.shape) == (outputs.device, outputs.shape)
        return [torch.zeros_like(x) for x in ([inputs] if isinstance(inputs, torch.Tensor) else inputs)]

    # Autograd asks the missing CUDA for its streams: the way back is seen in `test_the_way_back_of_look_ups` alone.
    monkeypatch.setattr(torch, "enable_grad", torch.no_grad)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    monkeypatch.setattr(torch.Tensor, "requires_grad_", lambda x, *_: x)
    monkeypatch.setattr(ensemble, "Recorded", lambda device: lambda act: act())
    monkeypatch.setattr(general, "seeded", lambda seed, device: contextlib.nullcontext())
    monkeypatch.setattr(torch.Tensor, "numpy", numpy)
    monkeypatch.setattr(torch.Tensor, "copy_", copy)
    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(torch.Tensor, "__getitem__", item)
    monkeypatch.setattr(torch.Tensor, "__setitem__", set_item)
    metrics._kept.clear()
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        yield
    monkeypatch.undo()
    metrics._kept.clear()


def taken_apart(x: torch.Tensor, key: Any) -> tuple[torch.Tensor, list[Any]]:
    """x[key] as what the dispatcher knows, since Python's own way asks a CUDA that is not there: a view, and indices."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [k for k in keys if not isinstance(k, torch.Tensor)]:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (x.dim() - sum(k is not None for k in keys) + 1)
    index: list[Any] = []
    for k in keys:
        dim = len(index)
        if isinstance(k, torch.Tensor):
            index.append(k)
        elif k is None:
            x = x.unsqueeze(dim)
            index.append(None)
        elif isinstance(k, slice):
            x = torch.ops.aten.slice(x, dim, k.start, k.stop, k.step or 1)
            index.append(None)
        else:
            x = x.select(dim, int(k))
    return x, index if any(k is not None for k in index) else []


@pytest.mark.parametrize("name", KINDS)
def test_a_step_a_measurement_and_a_restore_stay_on_the_device(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [replace(NET, **KINDS[name], seed=s, dataset_size=60 - s % 40) for s in (40, 41, 42)]
    expected = engine_class([prepare(run) for run in runs], GPU).name
    with gpu(monkeypatch):
        life = Life(runs, dict.fromkeys(runs), Folder(tmp_path), GPU, How())
        assert life.stack.ways.name == expected != "compiled"
        life.stack.advance(2)
        for full in (True, False):
            life.measure(full, True)
        life.save("running")
        records: dict[rn.RunConfig, Record | None] = {r: Folder(tmp_path).read(r, "curve", "state") for r in runs}
        again = Life(runs, records, Folder(tmp_path), GPU, How())
        assert again.stack.step == 2
        again.stack.enter_stage(0)
        again.stack.advance(1)
        everything = [*again.stack.tensors().values(), again.stack.grads, *vars(again.stack.rates).values()]
        assert {x.device.type for x in everything} == {"cuda"}


@pytest.mark.parametrize("name", ["weights", "grads"])
def test_a_tensor_that_is_left_behind_is_seen(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(NET)
    with gpu(monkeypatch):
        life = Life([NET], {NET: None}, Folder(tmp_path), GPU, How())
        setattr(life.stack, name, getattr(life.stack, name).cpu())
        with pytest.raises(RuntimeError, match="device"):
            life.stack.advance(1)


def test_the_way_back_of_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    with gpu(monkeypatch):
        slots = torch.zeros(2, 5, 3, dtype=torch.int64, device=GPU)
        context = SimpleNamespace(saved_tensors=(slots,))
        table, *rest = stacked._Rows.backward(context, torch.zeros(2, 7, 4, device=GPU))
        assert (table.shape, table.device, rest) == ((2, 5, 4), GPU, [None, None])
        with pytest.raises(RuntimeError, match="device"):
            stacked._Rows.backward(context, torch.zeros(2, 7, 4))
