"""A run so far, and the file that holds it: safetensors, with what is said about the run as JSON in its header.

Arrays are `curve.<name>` [points, ...] and `state.<name>` (weights [size], moments [size], ...). Three digests, of the
curves, of the state, and of the header with the other two, let each be read and trusted without the rest: a list of
runs needs headers, results need curves, and only training needs the state.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from realnet.config import RunConfig, from_json
from realnet.fields import ConfigError
from realnet.phases import Stop

__all__ = ["DamagedRecord", "OtherVersion", "Record", "stopping_step"]

FORMAT = "2"
PARTS = ("curve", "state")


class DamagedRecord(ValueError):
    """A file that is not what was written: cut, flipped, or no checkpoint at all."""


class OtherVersion(OSError):
    """A whole checkpoint that this version of realnet cannot read."""


@dataclass
class Record:
    """A run so far: `tensors` weights, first, second, count, norm; `curves` values by name, step first.

    status: "running", "finished", "diverged", or "stopped" by the config's condition.
    """

    config: RunConfig
    status: str
    step: int
    tensors: dict[str, np.ndarray]
    curves: dict[str, np.ndarray]
    wall_time: float = 0.0
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self.status in ("finished", "diverged", "stopped")

    def of(self, config: RunConfig) -> Record:
        """This record as one of `config`, the same run of another length or condition: unfinished, or cut at its end."""
        end, status = config.steps, "finished"
        if config.stop is not None and (at := stopping_step(config.stop, self.curves)) is not None and at <= end:
            end, status = at, "stopped"
        if self.step <= end:
            trusted = self.status == "diverged" or (self.status == "stopped" and config.stop == self.config.stop)
            reached = status if self.step == end and self.done else "running"
            return replace(self, config=config, status=self.status if trusted else reached)
        curves = {}
        for name, curve in self.curves.items():
            clock = self.curves["light_step" if name.startswith("light_") else "step"]
            curves[name] = curve[clock <= end]
        return replace(self, config=config, status=status, step=end, tensors={}, curves=curves)

    def to_bytes(self) -> bytes:
        """The checkpoint file's content."""
        arrays = {f"state.{k}": np.ascontiguousarray(v) for k, v in self.tensors.items()}
        arrays |= {f"curve.{k}": np.ascontiguousarray(v) for k, v in self.curves.items()}
        about = {"format": FORMAT, "config": self.config.to_json(), "status": self.status, "step": str(self.step)}
        about |= {"wall_time": repr(self.wall_time), "provenance": json.dumps(self.provenance, sort_keys=True)}
        about |= {part: _digest({k: v for k, v in arrays.items() if k.startswith(part)}) for part in PARTS}
        content: bytes = safetensors.numpy.save(arrays, about | {"sha256": _digest({}, about)})
        return content

    @classmethod
    def from_file(cls, path: Path, *parts: str) -> Record:
        """The record in a checkpoint file, with those of its `parts` "curve" and "state" that are asked for.

        Errors: FileNotFoundError; DamagedRecord if a single bit of what is asked for is not as it was written;
        OtherVersion.
        """
        try:
            with safetensors.safe_open(path, "numpy") as file:
                about = dict(file.metadata() or {})
                names = [n for n in file.keys() if n.startswith(parts)] if parts else []  # noqa: SIM118
                arrays = {name: file.get_tensor(name) for name in names}
            stated = about.pop("sha256")
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever a broken file makes the library say
            raise DamagedRecord(f"not a whole checkpoint: {error}") from error
        whole = _digest({}, about) == stated
        for part in parts:
            whole &= _digest({k: v for k, v in arrays.items() if k.startswith(part)}) == about.get(part)
        if not whole:
            raise DamagedRecord("content does not match its digest")
        if about.get("format", FORMAT) != FORMAT:
            raise OtherVersion(_other(path, about, f"its format is {about['format']}, not {FORMAT}"))
        try:
            config = from_json(about["config"])
        except ConfigError as error:
            why = str(error).rsplit(". ", 1)[0]  # without the remedy: nobody misspelt it
            raise OtherVersion(_other(path, about, why)) from error
        split: dict[str, dict[str, np.ndarray]] = {part: {} for part in PARTS}
        for name, array in arrays.items():
            kind, _, rest = name.partition(".")
            split[kind][rest] = array
        wall, provenance = float(about["wall_time"]), json.loads(about["provenance"])
        return cls(config, about["status"], int(about["step"]), split["state"], split["curve"], wall, provenance)


def _other(path: Path, about: dict[str, str], why: str) -> str:
    said = json.loads(about.get("provenance", "{}"))
    version = json.loads(said.get("versions", "{}")).get("two-circuits", "unknown")
    return (
        f"{path} must be a checkpoint that this version reads; it is a whole one of two-circuits {version}, "
        f"commit {said.get('commit', 'unknown')[:10]} ({why}). Read it with that version, or train into another folder."
    )


def _digest(arrays: dict[str, np.ndarray], about: dict[str, str] | None = None) -> str:
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode() if about is not None else b"")
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()


def stopping_step(stop: Stop, curves: dict[str, np.ndarray]) -> int | None:
    """The measured step at which the condition ends a run with these curves; None if it has not yet."""
    clocks = {clock: np.asarray(curves[clock]) for clock in ("step", "light_step") if clock in curves}
    reached = []
    for clock, steps in clocks.items():
        name = clock.removesuffix("step") + stop.measure
        if name in curves and (there := np.flatnonzero(stop.holds(np.asarray(curves[name], float)))).size:
            reached.append(int(steps[there[0]]))
    if not reached:
        return None
    steps = np.concatenate(list(clocks.values()))
    after = steps[steps >= min(reached) + stop.steps]
    return int(after.min()) if after.size else None
