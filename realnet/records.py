"""Runs on disk: one checkpoint file a run, written so that no kill, full disk or flipped bit goes unseen.

    out/experiment.json              the configs asked for
    out/runs/<key>.safetensors       weights [size], moments [size], curves [points, ...]; config, status and
                                     provenance as JSON in its header, with a digest over all of it
    out/runs/<key>.previous.safetensors   the checkpoint before, kept until the run is finished
    out/locks/<key>.lock             held by the process that trains the run
    out/results.nc                   all runs as one labelled data set (`results`)

A file is written under a temporary name, flushed to the disk and renamed. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import subprocess
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_info

from realnet.config import RunConfig, from_dict, from_json

__all__ = ["Folder", "Record", "StorageError", "environment", "write_atomically"]

STATUSES = ("pending", "running", "finished", "diverged")


class StorageError(OSError):
    """Results could not be written; what was on disk before is whole."""


@dataclass
class Record:
    """A run so far: `tensors` weights, first, second, count, norm; `curves` values by name, step first."""

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
        return self.status in ("finished", "diverged")

    def to_bytes(self) -> bytes:
        """The checkpoint file's content."""
        arrays = {f"state.{k}": np.ascontiguousarray(v) for k, v in self.tensors.items()}
        arrays |= {f"curve.{k}": np.ascontiguousarray(v) for k, v in self.curves.items()}
        about = {"config": self.config.to_json(), "status": self.status, "step": str(self.step)}
        about |= {
            "wall_time": repr(self.wall_time),
            "provenance": json.dumps(self.provenance, sort_keys=True),
        }
        content: bytes = safetensors.numpy.save(arrays, about | {"sha256": _digest(arrays, about)})
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> Record:
        """The record in a checkpoint file. Errors: ValueError if a single bit is not as it was written."""
        try:
            length = int.from_bytes(content[:8], "little")
            about = dict(json.loads(content[8 : 8 + length])["__metadata__"])
            arrays = safetensors.numpy.load(content)
            stated = about.pop("sha256")
        except Exception as error:
            raise ValueError(f"not a whole checkpoint: {error}") from error
        if _digest(arrays, about) != stated:
            raise ValueError("content does not match its digest")
        split: dict[str, dict[str, np.ndarray]] = {"state": {}, "curve": {}}
        for name, array in arrays.items():
            kind, _, rest = name.partition(".")
            split[kind][rest] = array
        config, provenance = from_json(about["config"]), json.loads(about["provenance"])
        wall = float(about["wall_time"])
        return cls(config, about["status"], int(about["step"]), split["state"], split["curve"], wall, provenance)


def _digest(arrays: dict[str, np.ndarray], about: dict[str, str]) -> str:
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()


def write_atomically(path: Path, write: Callable[[str], object], keep: Path | None = None) -> None:
    """Let `write` fill a temporary file, then rename it to `path`; the file there before moves to `keep`.

    Errors: StorageError if the disk is full or cannot be written; `path` is then as it was.
    """
    temporary = str(path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp"))
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        reason = "the disk is full or a size limit is reached" if full else str(error)
        raise StorageError(
            error.errno,
            f"{path} must be writable; {reason}. The files of before are whole: free some space or choose "
            "another folder, then start the same command again to go on from the last checkpoint",
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _write_bytes(content: bytes) -> Callable[[str], object]:
    return lambda name: Path(name).write_bytes(content)


class Folder:
    """The output folder of an experiment. Errors: StorageError if it cannot be made."""

    def __init__(self, path: str | os.PathLike[str], create: bool = True) -> None:
        self.path = Path(path)
        if not create and not (self.path / "experiment.json").exists():
            raise FileNotFoundError(
                f"out must be a folder that realnet.train wrote; received {str(path)!r}. "
                "Check the path, or train into it first."
            )
        try:
            for name in ("runs", "locks") if create else ():
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                error.errno, f"out must be a folder that can be made; {error}. Choose another"
            ) from error

    def file(self, config: RunConfig) -> Path:
        """The run's checkpoint."""
        return self.path / "runs" / f"{config.name}.safetensors"

    def _previous(self, config: RunConfig) -> Path:
        return self.path / "runs" / f"{config.name}.previous.safetensors"

    def read(self, config: RunConfig) -> Record | None:
        """The run's newest whole checkpoint, or None. Warns about a damaged one."""
        for path in (self.file(config), self._previous(config)):
            with contextlib.suppress(FileNotFoundError):
                try:
                    record = Record.from_bytes(path.read_bytes())
                    if record.config.name == config.name:
                        return record
                    raise ValueError("it belongs to another config")
                except ValueError as error:
                    warnings.warn(f"{path} is damaged ({error}); using the checkpoint before it", stacklevel=2)
        return None

    def write(self, record: Record) -> None:
        """Save a checkpoint, keeping the one before unless the run is done. Errors: StorageError."""
        write_atomically(self.file(record.config), _write_bytes(record.to_bytes()), self._previous(record.config))
        if record.done:
            self._previous(record.config).unlink(missing_ok=True)

    @contextlib.contextmanager
    def claim(self, config: RunConfig) -> Iterator[bool]:
        """Whether this process may train the run; held until the block ends, or the process does."""
        lock = FileLock(self.path / "locks" / f"{config.name}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def configs(self) -> list[RunConfig]:
        """The runs asked for so far, in the order of asking."""
        path = self.path / "experiment.json"
        return [from_dict(x) for x in json.loads(path.read_text())["runs"]] if path.exists() else []

    def add(self, configs: Iterable[RunConfig]) -> None:
        """Put runs on the list. Two processes may do this at once. Errors: StorageError."""
        with FileLock(self.path / "locks" / "experiment.lock"):
            known = dict.fromkeys(self.configs())
            known |= dict.fromkeys(configs)
            content = json.dumps({"runs": [json.loads(c.to_json()) for c in known]}, indent=1)
            write_atomically(self.path / "experiment.json", _write_bytes(content.encode()))


def environment(device: str) -> dict[str, str]:
    """Versions, commit, machine and device, for a run's provenance."""
    packages = {}
    for name in ("two-circuits", "torch", "numpy", "scipy", "numba", "xarray", "safetensors"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "commit": _commit(),
        "versions": json.dumps(packages),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "blas": _blas(),
        "device": device,
    }


def _commit() -> str:
    """The commit of the source tree, "+" if it was changed since, or "unknown" outside of one."""
    try:
        root = str(Path(__file__).parent)
        run: dict[str, Any] = {"capture_output": True, "text": True, "check": True, "timeout": 10}
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], **run).stdout.strip()
        changed = subprocess.run(["git", "-C", root, "status", "--porcelain", "--", root], **run).stdout.strip()
        return head + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _blas() -> str:
    """Which kernels the matrix products run; the same bits are promised for the same ones."""
    infos = [i for i in threadpool_info() if i["user_api"] == "blas"]
    return ", ".join(sorted({f"{i['internal_api']} {i['version']} {i.get('architecture', '')}" for i in infos}))


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
