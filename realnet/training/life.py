"""The life of a stack of runs, from its last checkpoint to its end.

A run goes from event to event: light measurements on an even grid of steps, full ones on a log-spaced grid, starts of
phases. Between events only optimizer steps are taken, in pieces of about half a second, and a checkpoint may be written
after any of them: a resumed run repeats the uninterrupted one exactly.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from realnet import metrics
from realnet.config import RunConfig
from realnet.engine.ensemble import Stack
from realnet.engine.replay import float64
from realnet.fields import ConfigError, number, require, whole
from realnet.metrics import Callback, Logger, Snapshot
from realnet.records import Folder, Leases, Record, stopping_step

__all__ = ["How", "Life", "events", "measured_steps"]

PIECE = 0.5
"""seconds of optimizer steps between two looks at what is asked of the process"""
TAKEN = {"status", "key", "steps_done", "wall_time", "frequency", *(f.name for f in dataclasses.fields(RunConfig))}
"""names in the results that no callback may use, besides those of the measurements"""
LIGHT = [*(f"{split}_{name}" for split in metrics.SPLITS for name in ("loss", "accuracy")), "norm"]
"""What the light curves follow"""
_one_at_a_time = threading.Lock()


@dataclasses.dataclass(frozen=True)
class How:
    """How runs are trained, by whomever: the arguments of `train` that a worker elsewhere needs too."""

    device: str = "auto"
    callbacks: tuple[Callback, ...] = ()
    loggers: tuple[Logger, ...] = ()
    checkpoint_seconds: float = 60.0
    stack_size: int | None = None
    workers: int | None = None
    tf32: bool = False

    def __post_init__(self) -> None:
        for name in ("stack_size", "workers"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), minimum=1)
        number("checkpoint_seconds", self.checkpoint_seconds, minimum=0.0)
        for name in ("callbacks", "loggers"):
            ok = all(callable(x) for x in getattr(self, name))
            require(ok, f"{name} must be functions", getattr(self, name), f"Pass {name}=[mine].")


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


class Life:
    """Runs that are trained together; `run` takes them to their end, or until it is asked to leave."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        records: Mapping[RunConfig, Record | None],
        folder: Folder,
        device: torch.device,
        how: How,
        provenance: dict[str, str] | None = None,
        leases: Leases | None = None,
    ) -> None:
        self.configs, self.folder, self.how, self.leases = configs, folder, how, leases
        self.provenance = provenance or {}
        self.piece = 16
        self.stack = Stack(configs, device)
        self.curves: list[dict[str, list[Any]]] = [{} for _ in configs]
        self.history: list[list[np.ndarray]] = [[] for _ in configs]
        self.ended: dict[int, str] = {}
        """runs that are over before their steps, and why; they are written when they end"""
        self.lost: list[int] = []
        self.own: set[str] = set()
        """names of the callbacks' numbers"""
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

    # --- Where it begins ---

    def _restore(self, i: int, tensors: Mapping[str, np.ndarray]) -> None:
        places = self.stack.tensors()
        for name in places.keys() & tensors.keys():
            place = places[name][i]
            place.copy_(torch.from_numpy(tensors[name]).reshape(place.shape))

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

    def last_seen(self, record: Record) -> Record:
        """`record`, of the one run there is and at its end, with what the callbacks make of its last step."""
        # Not the stage after: a run that ended at the end of one was measured in it.
        stage = next(i for i, s in enumerate(self.configs[0].stages) if record.step <= s.stop)
        self.stack.enter_stage(stage)
        self.measure(True, False)
        history = {"history": np.stack(self.history[0])} if self.configs[0].weight_history else {}
        return dataclasses.replace(record, tensors=record.tensors | history, curves=self._arrays(0))

    # --- How it goes ---

    def run(self, stop: threading.Event, advanced: Callable[[int], object]) -> None:
        """Train to the end, or until `stop`; reports run-steps to `advanced`. Errors: StorageError."""
        stack, stages, last = self.stack, self.configs[0].stages, self.configs[0].steps
        full, even = events(self.configs[0])
        stack.enter_stage(next((i for i, s in enumerate(stages) if stack.step < s.stop), len(stages) - 1))
        if not any(self.curves):
            self._judge(self.measure(0 in full, True))
            for i in self.lost:
                self._end(i, "diverged")
        for event in sorted(e for e in full | even if e > stack.step):
            while stack.step < event and len(self.ended) < len(self.configs):
                advanced(self._advance(event - stack.step) * len(self.configs))
                if stack.step < event and self._leaves(stop):
                    return
            if len(self.ended) == len(self.configs):
                break
            self._judge(self.measure(event in full, event in even))
            if event < last:
                if event == stages[stack.stage].stop:
                    stack.enter_stage(stack.stage + 1)
                if self._leaves(stop):
                    return
        advanced((last - stack.step) * len(self.configs))
        self.save("finished")

    def _advance(self, steps: int) -> int:
        """Take up to `steps` optimizer steps, as many as last a piece; returns how many."""
        steps, start = min(steps, self.piece), time.monotonic()
        self.stack.advance(steps)
        took = time.monotonic() - start
        if steps == self.piece:
            self.piece = max(1, min(2 * steps, round(steps * PIECE / max(took, 1e-9))))
        return steps

    def _leaves(self, stop: threading.Event) -> bool:
        """Write a checkpoint if one is due; whether the life is cut here."""
        if stop.is_set() or time.monotonic() - self.saved >= self.how.checkpoint_seconds:
            self.save("running")
        return stop.is_set()

    # --- What is seen of it ---

    def measure(self, full: bool, even: bool) -> dict[int, dict[str, Any]]:
        """Add a point to the curves of every run that has not ended; returns what was found, "finite" included."""
        stack = self.stack
        if full:
            stack.gradient()
        running = [i for i in range(len(self.configs)) if i not in self.ended]
        own: dict[int, list[Any]] = {i: [] for i in running}

        def shots() -> Iterator[Snapshot]:
            for i in running:
                shot = self._snapshot(i)
                own[i] += [callback(shot) for callback in self.how.callbacks] if full else []
                yield shot

        measured: dict[int, dict[str, Any]] = dict(zip(running, metrics.measure(shots(), full), strict=True))
        for i, found in measured.items():
            finite = found.pop("finite") and math.isfinite(found["norm"])
            for numbers in own[i]:
                mine = _own(numbers, found)
                self.own |= mine.keys()
                found |= mine
            point: dict[str, Any] = dict(found, step=stack.step) if full else {}
            if even:
                point |= {f"light_{k}": found[k] for k in LIGHT} | {"light_step": stack.step}
            self._append(i, point)
            if self.configs[i].weight_history and len(self.history[i]) < len(self.curves[i]["step"]):
                self.history[i].append(stack.weights[i].cpu().numpy().copy())
            found["finite"] = bool(finite)
        return measured

    def _snapshot(self, i: int) -> Snapshot:
        stack, logits = self.stack, self.stack.table_logits(i)
        run, weights, grads = stack.runs[i], stack.weights[i], stack.grads[i]
        if float64(stack.device) != torch.float64:  # what is measured is measured in float64
            logits, weights, grads = logits.cpu(), weights.cpu(), grads.cpu()
        views = stack.layout.views
        return Snapshot(run.config, stack.step, stack.data[i], logits, views(weights), views(grads), run.task, run.loss)

    def _append(self, i: int, found: Mapping[str, object]) -> None:
        """Add a point to each curve; callbacks that came or went since the last session leave NaN.

        Where the last point is of this step, what it lacks is filled in.
        """
        for clock in ("step", "light_step"):
            if clock not in found:
                continue
            light = clock.startswith("light_")
            names = {n for n in (*self.curves[i], *found) if n.startswith("light_") == light}
            steps = self.curves[i].get(clock, [])
            before, again = len(steps), steps[-1:] == [found[clock]]
            for name in names:
                curve = self.curves[i].setdefault(name, [math.nan] * before)
                if not again:
                    curve.append(found.get(name, math.nan))
                elif np.ndim(curve[-1]) == 0 and math.isnan(curve[-1]):
                    curve[-1] = found.get(name, math.nan)

    def _judge(self, measured: Mapping[int, Mapping[str, Any]]) -> None:
        """End the runs whose numbers say so, and tell the loggers how each stands."""
        for i, found in measured.items():
            status = self._status(i, bool(found["finite"]))
            numbers = {k: float(v) for k, v in found.items() if np.ndim(v) == 0 and k != "finite"}
            with _one_at_a_time:
                for logger in self.how.loggers:
                    logger(self.configs[i], self.stack.step, numbers, status)
            if status in ("diverged", "stopped"):
                self._end(i, status)

    def _status(self, i: int, finite: bool) -> str:
        config = self.configs[i]
        if not finite:
            return "diverged"
        if config.stop is not None:
            names = sorted(n for n in self.curves[i] if not n.startswith("light_") and n != "step")
            known = config.stop.measure in names
            require(known, f"stop must name one of {', '.join(names)}", config.stop.measure, "Correct the spelling.")
            if stopping_step(config.stop, self.curves[i]) is not None:  # type: ignore[arg-type]
                return "stopped"
        return "finished" if self.stack.step == config.steps else "running"

    # --- What is kept of it ---

    def _end(self, i: int, status: str) -> None:
        self.ended[i] = status
        self._write(i, status)

    def save(self, status: str) -> None:
        """Checkpoint every run of the stack that has not ended before. Errors: StorageError."""
        self.saved = time.monotonic()
        for i in range(len(self.configs)):
            if i not in self.ended:
                self._write(i, status)

    def _write(self, i: int, status: str) -> None:
        config, stack = self.configs[i], self.stack
        if self.leases is not None and not self.leases.mine(config.name):
            return  # thought dead, and another process has gone on with it
        arrays = {k: v[i].cpu().numpy().copy() for k, v in stack.tensors().items()}
        if config.weight_history:
            arrays["history"] = np.stack(self.history[i])
        wall = self.wall[i] + (time.monotonic() - self.started) / len(self.configs)
        provenance = self.provenance | {"engine": stack.engine}
        self.folder.write(Record(config, status, stack.step, arrays, self._arrays(i), wall, provenance))

    def _arrays(self, i: int) -> dict[str, np.ndarray]:
        return {k: np.array(v, np.int64 if k.endswith("step") else np.float64) for k, v in self.curves[i].items()}


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
