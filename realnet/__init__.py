"""Many small networks at once: the real side of the two-circuit model of grokking (arXiv 2309.02390).

    import realnet as rn
    runs = rn.grid(rn.RunConfig(p=43, d_model=64, d_mlp=256), dataset_size=[400, 1000], seed=range(3))
    ds = rn.train(runs, out="runs/first")

torch is imported when training or loading starts, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from realnet.config import RunConfig
from realnet.fields import ConfigError
from realnet.phases import Phase, Stop
from realnet.sweeps import grid
from realnet.tasks.task import Group, Task

if TYPE_CHECKING:
    from realnet.loading import load, model
    from realnet.measuring import measure
    from realnet.metrics import Callback, Logger, Snapshot
    from realnet.records import StorageError
    from realnet.training.train import train

__all__ = [
    "Callback",
    "ConfigError",
    "Group",
    "Logger",
    "Phase",
    "RunConfig",
    "Snapshot",
    "Stop",
    "StorageError",
    "Task",
    "grid",
    "load",
    "measure",
    "model",
    "train",
]

_LATER = {
    "Callback": "realnet.metrics",
    "Snapshot": "realnet.metrics",
    "StorageError": "realnet.records",
    "load": "realnet.loading",
    "Logger": "realnet.metrics",
    "measure": "realnet.measuring",
    "model": "realnet.loading",
    "train": "realnet.training.train",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'realnet' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
