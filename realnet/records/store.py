"""Runs on disk: the output folder of an experiment, one file a run, each replaced whole.

    out/runs/<key>-<steps>.safetensors   a run on its way to so many steps
    out/sweeps/<digest>.json             the runs that a call asked for
    out/locks/                           who trains what (`leases`)
    out/results.nc                       all runs as one labelled data set (`realnet.results`)

A run that is asked for with more steps goes on from the file with fewer. A run's file is safetensors, with what is said
about the run as JSON in its header; arrays are `curve.<name>` [points, ...] and `state.<name>` (weights [size], moments
[size], ...). Three digests, of the curves, of the state, and of the header with the other two, let each be read and
trusted without the rest: a list of runs needs headers, results need curves, and only training needs the state.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from realnet.config import RunConfig, from_dict, from_json
from realnet.fields import ConfigError, require
from realnet.keys import canonical
from realnet.phases import Stop

__all__ = ["DamagedRecord", "Folder", "OtherVersion", "Record", "StorageError", "stopping_step", "write_atomically"]

FORMAT = "2"
PARTS = ("curve", "state")
SUFFIX = ".safetensors"
LITTER = 3600.0
"""seconds after which a temporary file is a killed writer's"""


class DamagedRecord(ValueError):
    """A file that is not what was written: cut, flipped, or no checkpoint at all."""


class OtherVersion(OSError):
    """A whole checkpoint that this version of realnet cannot read."""


class StorageError(OSError):
    """Results could not be written; what was on disk before is whole."""


# --- A run so far ---


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

    def lacks(self, names: Iterable[str]) -> bool:
        """Whether one of these numbers was not measured at the last full measurement."""
        return any(name not in self.curves or np.isnan(self.curves[name][-1]).any() for name in names)

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
        about |= {part: _digest(arrays, part) for part in PARTS}
        content: bytes = safetensors.numpy.save(arrays, about | {"sha256": _digest_of_header(about)})
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
                arrays = {n: file.get_tensor(n) for n in file.keys() if n.startswith(parts)}  # noqa: SIM118
            stated = about.pop("sha256")
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever a broken file makes the library say
            raise DamagedRecord(f"not a whole checkpoint: {error}") from error
        if stated != _digest_of_header(about) or any(_digest(arrays, part) != about.get(part) for part in parts):
            raise DamagedRecord("content does not match its digest")
        if about.get("format", FORMAT) != FORMAT:
            raise OtherVersion(_other(path, about, f"its format is {about['format']}, not {FORMAT}"))
        try:
            config = from_json(about["config"])
        except ConfigError as error:
            why = str(error).rsplit(". ", 1)[0]  # without the remedy: nobody misspelt it
            raise OtherVersion(_other(path, about, why)) from error
        curves, tensors = ({k[6:]: v for k, v in arrays.items() if k.startswith(part)} for part in PARTS)
        wall, provenance = float(about["wall_time"]), json.loads(about["provenance"])
        return cls(config, about["status"], int(about["step"]), tensors, curves, wall, provenance)


def _digest(arrays: Mapping[str, np.ndarray], part: str) -> str:
    total = hashlib.sha256()
    for name in sorted(n for n in arrays if n.startswith(part)):
        array = arrays[name]
        total.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()


def _digest_of_header(about: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _other(path: Path, about: Mapping[str, str], why: str) -> str:
    said = json.loads(about.get("provenance", "{}"))
    version = json.loads(said.get("versions", "{}")).get("two-circuits", "unknown")
    return (
        f"{path} must be a checkpoint that this version reads; it is a whole one of two-circuits {version}, "
        f"commit {said.get('commit', 'unknown')[:10]} ({why}). Read it with that version, or train into another folder."
    )


def stopping_step(stop: Stop, curves: Mapping[str, np.ndarray]) -> int | None:
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


# --- The folder of all ---


class Folder:
    """The output folder at `path`, made unless `create` is False.

    Errors: FileNotFoundError if it is not there, StorageError if it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = True) -> None:
        self.path, self.writing = Path(path), create
        self.runs, self.locks, self.sweeps = (self.path / name for name in ("runs", "locks", "sweeps"))
        if not create and not self.runs.is_dir():
            raise FileNotFoundError(
                f"out must be a folder that realnet.train wrote; received {str(path)!r}. "
                "Check the path, or train into it first."
            )
        try:
            for place in (self.runs, self.locks, self.sweeps) if create else ():
                place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                error.errno, f"out must be a folder that can be made; {error}. Choose another"
            ) from error
        self.refresh()

    def refresh(self) -> None:
        """Look again which files there are; those of killed writers go."""
        self._lengths: dict[str, set[int]] = {}
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.runs):
                key, _, steps = entry.name.removesuffix(SUFFIX).partition("-")
                if entry.name.endswith(SUFFIX) and steps.isdecimal():
                    self._lengths.setdefault(key, set()).add(int(steps))
                elif entry.name.endswith(".tmp") and self.writing:
                    with contextlib.suppress(OSError):
                        if time.time() - entry.stat().st_mtime > LITTER:
                            os.unlink(entry.path)

    def file(self, config: RunConfig) -> Path:
        """The run's checkpoint."""
        return self.runs / f"{config.name}{SUFFIX}"

    def write(self, record: Record) -> None:
        """Save a checkpoint in the place of the one before. Errors: StorageError."""
        _write_bytes(self.file(record.config), record.to_bytes())
        self._lengths.setdefault(record.config.key, set()).add(record.config.steps)

    def read(self, config: RunConfig, *parts: str) -> Record | None:
        """How far the run has come, with those of the parts "curve" and "state" that are asked for; None: not begun.

        A run of another length counts: a shorter one as far as it came, a longer one cut here, unless the state is
        asked for. Warns about what is damaged. Errors: OtherVersion, if the folder is written to.
        """
        best: Record | None = None
        for steps in (config.steps, *sorted(self._lengths.get(config.key, set()) - {config.steps})):
            record = self._open(self.runs / f"{config.key}-{steps}{SUFFIX}", config, parts)
            if record is None or ("state" in parts and not record.tensors):
                continue
            if best is None or record.step > best.step:
                best = record
            if best.done:
                break
        return best

    def read_all(self, configs: Iterable[RunConfig], *parts: str) -> dict[RunConfig, Record]:
        """`read` of each run that was begun."""
        return {c: r for c in configs if (r := self.read(c, *parts)) is not None}

    def _open(self, path: Path, config: RunConfig, parts: tuple[str, ...]) -> Record | None:
        try:
            record = Record.from_file(path, *parts)
            if record.config.key != config.key:
                raise DamagedRecord("it belongs to another config")
            if config.stop is not None and config.stop != record.config.stop and "curve" not in parts:
                record = Record.from_file(path, "curve", *parts)  # whether the condition was met is seen there
            return record.of(config)
        except FileNotFoundError:
            return None
        except DamagedRecord as error:
            warnings.warn(f"{path} is damaged ({error}) and does not count", stacklevel=4)
        except OtherVersion as error:
            if self.writing:
                raise
            warnings.warn(str(error), stacklevel=4)
        return None

    def set_aside(self, config: RunConfig) -> None:
        """Move a run's damaged file out of the way, so that it is trained again."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.file(config), self.file(config).with_suffix(".damaged"))
        self.refresh()

    def add(self, configs: Iterable[RunConfig]) -> None:
        """Put runs on the list: a file of its own for each list, so that nobody waits. Errors: StorageError."""
        said = [json.loads(c.to_json()) for c in configs]
        common = {k: v for k, v in said[0].items() if all(k in x and x[k] == v for x in said)}
        lines = ",\n".join(canonical({k: v for k, v in x.items() if k not in common}) for x in said)
        content = f'{{"common": {canonical(common)},\n"runs": [\n{lines}\n]}}\n'.encode()
        path = self.sweeps / f"{hashlib.sha256(content).hexdigest()[:16]}.json"
        if not path.exists():
            _write_bytes(path, content)

    def configs(self) -> list[RunConfig]:
        """The runs asked for so far, in the order of asking; those of lost lists are known by their checkpoints."""
        found: dict[str, RunConfig] = {}
        lists = sorted(self.sweeps.glob("[!.]*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name))
        lost = not lists
        for path in lists:
            try:
                content = json.loads(path.read_text())
                for config in [from_dict(content.get("common", {}) | run) for run in content["runs"]]:
                    found.setdefault(config.name, config)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                lost = True
                why = str(error) if isinstance(error, ConfigError) else "it is not whole"
                warnings.warn(f"{path} cannot be read ({why}); runs are known by their checkpoints", stacklevel=2)
        if lost:
            names = {f"{key}-{steps}" for key, lengths in self._lengths.items() for steps in lengths}
            for name in sorted(names - found.keys()):
                with contextlib.suppress(DamagedRecord, OtherVersion, FileNotFoundError):
                    config = Record.from_file(self.runs / f"{name}{SUFFIX}").config
                    found.setdefault(config.name, config)
        return list(found.values())

    def find(self, key: str) -> RunConfig:
        """The run whose name begins with `key`. Errors: ConfigError unless there is exactly one."""
        configs = self.configs()
        found = [c for c in configs if c.name.startswith(key)]
        fits = f"key must fit exactly one run; {key!r} fits {len(found)} of {', '.join(c.name for c in configs)}"
        require(len(found) == 1, fits, key, "Type more of it.")
        return found[0]


# --- Files that are the old one or the new one, never half of one ---


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`.

    Errors: StorageError if the disk is full or cannot be written; `path` is then as it was.
    """
    temporary = str(path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp"))
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _write_bytes(path: Path, content: bytes) -> None:
    write_atomically(path, lambda name: Path(name).write_bytes(content))


def storage_error(path: Path, error: OSError) -> StorageError:
    """What to tell about `error`, met while writing `path`."""
    full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    reason = "the disk is full or a size limit is reached" if full else str(error)
    return StorageError(
        error.errno,
        f"{path} must be writable; {reason}. The files of before are whole: free some space or choose "
        "another folder, then start the same command again to go on from the last checkpoint",
    )
