"""One stack of runs on its way from its last checkpoint to its end.

A run goes from event to event: light measurements on an even grid of steps, full ones on a log-spaced grid,
starts of phases. Between events only optimizer steps are taken, in pieces of about half a second, and a checkpoint may
be written after any of them: a resumed run repeats the uninterrupted one exactly.
"""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import Any

import numpy as np
import torch

from realnet import metrics
from realnet.config import RunConfig
from realnet.engine.ensemble import Stack
from realnet.fields import ConfigError
from realnet.metrics import Callback, Snapshot
from realnet.records import Folder, Leases, Record

__all__ = ["Job", "events", "measured_steps"]

PIECE = 0.5
"""seconds of optimizer steps between two looks at what is asked of the job"""
TAKEN = {"status", "key", "steps_done", "wall_time", "frequency", *(f.name for f in dataclasses.fields(RunConfig))}
"""names in the results that no callback may use, besides those of the measurements"""
LIGHT = [*(f"{split}_{name}" for split in metrics.SPLITS for name in ("loss", "accuracy")), "norm"]
"""What the light curves follow"""


def measured_steps(config: RunConfig) -> list[int]:
    """Steps of full measurements: 0, then log-spaced from the start of each phase, and each phase's end.

    A longer run is measured where a shorter one is, and further on.
    """
    steps, each = {0}, config.points_per_decade
    for stage in config.stages:
        length = stage.stop - stage.start
        count = math.ceil(each * math.log10(length)) if length > 1 else 0
        steps |= {stage.start + min(length, round(10 ** (k / each))) for k in range(count)} | {stage.stop}
    return sorted(steps)


def events(config: RunConfig) -> tuple[set[int], set[int]]:
    """Steps of full measurements, and of light ones."""
    return set(measured_steps(config)), {*range(0, config.steps + 1, config.light_every), config.steps}


class Job:
    """Restore or start a stack, then `run` it.

    What it was asked to share says afterwards: `shared`, whether it left for another process to take over half of it.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        records: Mapping[RunConfig, Record | None],
        folder: Folder,
        device: torch.device,
        callbacks: Sequence[Callback],
        checkpoint_seconds: float,
        provenance: dict[str, str],
        leases: Leases | None = None,
    ) -> None:
        self.configs, self.folder, self.callbacks = configs, folder, callbacks
        self.checkpoint_seconds, self.provenance, self.leases = checkpoint_seconds, provenance, leases
        self.shared, self.asked, self.piece = False, time.monotonic(), 16
        self.stack = Stack(configs, device)
        self.curves: list[dict[str, list[object]]] = [{} for _ in configs]
        self.history: list[list[np.ndarray]] = [[] for _ in configs]
        self.diverged, self.lost = [False] * len(configs), list[int]()
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
        parent = self.folder.read(config.start_from, "state")
        if parent is None or not parent.done:
            raise RuntimeError(
                f"start_from must be a run that finished; run {config.start_from.name} is "
                f"{parent.status if parent else 'missing'}. Train it first."
            )
        if parent.status == "diverged":
            warnings.warn(f"run {config.name} starts from one that diverged and counts as diverged too", stacklevel=2)
            self.lost.append(i)
        self._restore(i, parent.tensors)  # the first stage empties the moments if it is to start afresh
        self.stack.norm[i] = self.stack.weights[i].norm()

    def run(self, stop: Event, advanced: Callable[[int], object]) -> None:
        """Train to the end, or until `stop`; reports run-steps to `advanced`. Errors: StorageError."""
        config, stack = self.configs[0], self.stack
        stages = config.stages
        full, even = events(config)
        now = next((i for i, s in enumerate(stages) if stack.step < s.stop), len(stages) - 1)
        stack.enter_stage(now)
        if self.fresh:
            self.measure(0 in full, True)
            for i in self.lost:
                self.diverged[i] = True
        for event in sorted(e for e in full | even if e > stack.step):
            if all(self.diverged):
                break
            while stack.step < event:
                self._advance(event - stack.step, advanced)
                if stack.step < event and self._leaves(stop):
                    return
            self.measure(event in full, event in even)
            if event == stages[stack.stage].stop and event < config.steps:
                stack.enter_stage(stack.stage + 1)
            if event < config.steps and not all(self.diverged) and self._leaves(stop):
                return
        advanced((config.steps - stack.step) * len(self.configs))
        self.save("finished")

    def _advance(self, steps: int, advanced: Callable[[int], object]) -> None:
        """Take up to `steps` optimizer steps, as many as last a piece."""
        steps, start = min(steps, self.piece), time.monotonic()
        self.stack.advance(steps)
        took = time.monotonic() - start
        if steps == self.piece:
            self.piece = max(1, min(2 * steps, round(steps * PIECE / max(took, 1e-9))))
        advanced(steps * len(self.configs))

    def _leaves(self, stop: Event) -> bool:
        """Write a checkpoint if one is due; whether the job ends here, asked to stop or to share."""
        now = time.monotonic()
        if self.leases is not None and len(self.configs) > 1 and now - self.asked > PIECE:
            self.asked = now
            self.shared = self.leases.give()
        leaves = stop.is_set() or self.shared
        if leaves or now - self.saved >= self.checkpoint_seconds:
            self.save("running")
        return leaves

    def measure(self, full: bool, even: bool) -> None:
        """Add a point to the curves of every run that has not diverged."""
        stack = self.stack
        if full:
            stack.gradient()
        running = [i for i in range(len(self.configs)) if not self.diverged[i]]
        own: dict[int, list[Any]] = {i: [] for i in running}

        def shots() -> Iterator[Snapshot]:
            for i in running:
                views = (stack.layout.views(z[i]) for z in (stack.weights, stack.grads))
                shot = Snapshot(self.configs[i], stack.step, stack.data[i], stack.table_logits(i), *views)
                own[i] += [callback(shot) for callback in self.callbacks] if full else []
                yield shot

        for i, found in zip(running, metrics.measure(shots(), full), strict=True):
            self.diverged[i] = not (found.pop("finite") and math.isfinite(found["norm"]))
            point: dict[str, object] = dict(found, step=stack.step) if full else {}
            for numbers in own[i]:
                point |= _own(numbers, point)
            if even:
                point |= {f"light_{k}": found[k] for k in LIGHT} | {"light_step": stack.step}
            self._append(i, point)
        if full and self.configs[0].weight_history:
            weights = stack.weights.cpu().numpy()
            for i in running:
                self.history[i].append(weights[i].copy())

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

    def save(self, status: str) -> None:
        """Checkpoint every run of the stack. Errors: StorageError."""
        stack = self.stack
        spent = time.monotonic() - self.started
        self.saved = time.monotonic()
        for i, config in enumerate(self.configs):
            if self.leases is not None and not self.leases.mine(config.name):
                continue  # thought dead, and another process has gone on with it
            arrays = {k: v[i].cpu().numpy().copy() for k, v in stack.tensors().items()}
            if config.weight_history:
                arrays["history"] = np.stack(self.history[i])
            curves = {k: np.array(v, np.int64 if k.endswith("step") else np.float64) for k, v in self.curves[i].items()}
            state = "diverged" if self.diverged[i] else status
            wall = self.wall[i] + spent / len(self.configs)
            provenance = self.provenance | {"engine": stack.engine}
            self.folder.write(Record(config, state, stack.step, arrays, curves, wall, provenance))


def _own(found: Any, taken: Mapping[str, object]) -> dict[str, float]:
    """What a callback returned. Errors: ConfigError unless it is numbers under names of its own."""
    try:
        numbers = {str(name): float(value) for name, value in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"a callback must return a mapping of names to numbers; received {found!r}. Return {{'mine': 0.5}}, say."
        ) from error
    for name in numbers:
        if name in taken or name in TAKEN or name.startswith("light_"):
            raise ConfigError(f"a callback's names must be its own; received {name!r}. Call it 'my_{name}', say.")
    return numbers
