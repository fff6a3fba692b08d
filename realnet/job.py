"""One stack of runs on its way from its last checkpoint to its end.

A run goes from event to event: light measurements on an even grid of steps, full ones on a log-spaced grid,
starts of phases. Between events only optimizer steps are taken. Checkpoints are written at events, so that a
resumed run repeats the uninterrupted one exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event

import numpy as np
import torch

from realnet import metrics
from realnet.config import RunConfig
from realnet.engine.ensemble import Stack
from realnet.metrics import Callback, Snapshot
from realnet.records import Folder, Record

__all__ = ["Job", "measured_steps"]

LIGHT = [f"{split}_{name}" for split in metrics.SPLITS for name in ("loss", "accuracy")]
"""What the light curves follow, besides the norm"""


def measured_steps(config: RunConfig) -> list[int]:
    """Steps of full measurements: 0, then log-spaced from the start of each phase, and each phase's end."""
    steps = {0}
    for stage in config.stages:
        length = stage.stop - stage.start
        count = math.ceil(config.points_per_decade * math.log10(length)) + 1 if length > 1 else 1
        steps |= {stage.start + round(float(x)) for x in np.geomspace(1, length, count)}
    return sorted(steps)


class Job:
    """Restore or start a stack, then `run` it. `stop` asks it to save a checkpoint and leave."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        records: Mapping[RunConfig, Record | None],
        folder: Folder,
        device: torch.device,
        callbacks: Sequence[Callback],
        checkpoint_seconds: float,
        provenance: dict[str, str],
    ) -> None:
        self.configs, self.folder, self.callbacks = configs, folder, callbacks
        self.checkpoint_seconds, self.provenance = checkpoint_seconds, provenance
        self.stack = Stack(configs, device)
        self.curves: list[dict[str, list[object]]] = [{} for _ in configs]
        self.history: list[list[np.ndarray]] = [[] for _ in configs]
        self.diverged = [False] * len(configs)
        self.wall = [0.0] * len(configs)
        self.started = self.saved = time.monotonic()
        for i, config in enumerate(configs):
            record = records[config]
            if record is not None:
                self._restore(i, record.tensors)
                self.stack.step, self.wall[i] = record.step, record.wall_time
                self.curves[i] = {k: list(v) for k, v in record.curves.items()}
                self.history[i] = list(record.tensors.get("history", ()))
            elif config.start_from is not None:
                self._inherit(i, config)
        self.fresh = self.stack.step == 0

    def _restore(self, i: int, tensors: dict[str, np.ndarray]) -> None:
        places = self.stack.tensors()
        for name in places.keys() & tensors.keys():
            places[name][i] = torch.from_numpy(tensors[name]).to(places[name])

    def _inherit(self, i: int, config: RunConfig) -> None:
        assert config.start_from is not None
        parent = self.folder.read(config.start_from)
        if parent is None or parent.status != "finished":
            status = parent.status if parent else "missing"
            raise RuntimeError(
                f"start_from must be a run that finished; run {config.start_from.name} is {status}. "
                "Look at its curves with `show`, and choose a parent that trains."
            )
        self._restore(i, parent.tensors)  # the first stage empties the moments if it is to start afresh
        self.stack.norm[i] = self.stack.weights[i].norm()

    def run(self, stop: Event, advanced: Callable[[int], object]) -> None:
        """Train to the end, or until `stop`; reports run-steps to `advanced`. Errors: StorageError."""
        config, stack = self.configs[0], self.stack
        stages = config.stages
        full = set(measured_steps(config))
        even = set(range(0, config.steps + 1, config.light_every)) | {config.steps}
        events = sorted(full | even | {s.stop for s in stages})
        now = next((i for i, s in enumerate(stages) if stack.step < s.stop), len(stages) - 1)
        stack.enter_stage(now)
        if self.fresh:
            self._measure(0 in full, True)
        for event in (e for e in events if e > stack.step):
            steps = event - stack.step
            stack.advance(steps)
            self._measure(event in full, event in even)
            advanced(steps * len(self.configs))
            if event == stages[stack.stage].stop and event < config.steps:
                stack.enter_stage(stack.stage + 1)
            if event == config.steps or all(self.diverged):
                break
            if stop.is_set() or time.monotonic() - self.saved >= self.checkpoint_seconds:
                self._save("running")
                if stop.is_set():
                    return
        advanced((config.steps - stack.step) * len(self.configs))
        self._save("finished")

    def _measure(self, full: bool, even: bool) -> None:
        stack = self.stack
        if full:
            stack.gradient()
        for i, config in enumerate(self.configs):
            if self.diverged[i]:
                continue
            logits = stack.table_logits(i)
            found: dict[str, object] = {}
            if full:
                views = (stack.layout.views(z[i]) for z in (stack.weights, stack.grads))
                snapshot = Snapshot(config, stack.step, stack.data[i], logits, *views)
                found |= metrics.measure(snapshot) | {"step": stack.step}
                if config.weight_history:
                    self.history[i].append(stack.weights[i].cpu().numpy().copy())
                for callback in self.callbacks:
                    found |= callback(snapshot)
            if even:
                light = found if full else metrics.splits(config, logits, stack.data[i])
                norm = stack.weights[i].double().norm().item()
                found |= {f"light_{k}": light[k] for k in LIGHT} | {
                    "light_norm": norm,
                    "light_step": stack.step,
                }
            self._append(i, found)
            self.diverged[i] = not bool(torch.isfinite(stack.weights[i]).all() & torch.isfinite(logits).all())

    def _append(self, i: int, found: Mapping[str, object]) -> None:
        """Add a point to each curve; callbacks that came or went since the last session leave NaN."""
        for clock in ("step", "light_step"):
            if clock not in found:
                continue
            light = clock.startswith("light_")
            names = {n for n in (*self.curves[i], *found) if n.startswith("light_") == light}
            before = len(self.curves[i].get(clock, []))
            for name in names:
                curve = self.curves[i].setdefault(name, [math.nan] * before)
                curve.append(found.get(name, math.nan))

    def _save(self, status: str) -> None:
        """Checkpoint every run of the stack. Errors: StorageError."""
        stack = self.stack
        spent = time.monotonic() - self.started
        self.saved = time.monotonic()
        for i, config in enumerate(self.configs):
            arrays = {k: v[i].cpu().numpy().copy() for k, v in stack.tensors().items()}
            if config.weight_history:
                arrays["history"] = np.stack(self.history[i])
            curves = {k: np.array(v, np.int64 if k.endswith("step") else np.float64) for k, v in self.curves[i].items()}
            state = "diverged" if self.diverged[i] else status
            wall = self.wall[i] + spent / len(self.configs)
            provenance = self.provenance | {"engine": stack.engine}
            self.folder.write(Record(config, state, stack.step, arrays, curves, wall, provenance))
