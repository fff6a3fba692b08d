"""The output folder of an experiment: which runs were asked for, and how far each has come; one file a run.

    out/runs/<key>-<steps>.safetensors   a run on its way to so many steps (`record`)
    out/sweeps/<digest>.json             the runs that a call asked for
    out/locks/                           who trains what (`leases`)
    out/results.nc                       all runs as one labelled data set (`realnet.results`)

A run that is asked for with more steps goes on from the file with fewer. Files are replaced whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from realnet.config import RunConfig, from_dict
from realnet.fields import ConfigError
from realnet.keys import canonical
from realnet.records.files import StorageError, write_atomically, write_bytes
from realnet.records.record import DamagedRecord, OtherVersion, Record

__all__ = ["Folder"]

SUFFIX = ".safetensors"
LITTER = 3600.0
"""seconds after which a temporary file is a killed writer's"""


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
        """Look again which files there are."""
        self._lengths: dict[str, set[int]] = {}
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.runs):
                if entry.name.endswith(".tmp"):
                    self._tidy(Path(entry.path))
                key, _, steps = entry.name.removesuffix(SUFFIX).partition("-")
                if entry.name.endswith(SUFFIX) and steps.isdecimal():
                    self._lengths.setdefault(key, set()).add(int(steps))

    def _tidy(self, path: Path) -> None:
        if self.writing:
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LITTER:
                    path.unlink()

    def file(self, config: RunConfig) -> Path:
        """The run's checkpoint."""
        return self.runs / f"{config.name}{SUFFIX}"

    # --- How far runs have come ---

    def read(self, config: RunConfig, *parts: str) -> Record | None:
        """How far the run has come, with those of the parts "curve" and "state" that are asked for; None: not begun.

        A run of another length counts: a shorter one as far as it came, a longer one cut here, unless the state is
        asked for. Warns about what is damaged. Errors: OtherVersion, if the folder is written to.
        """
        best: Record | None = None
        lengths = self._lengths.get(config.key, set()) - {config.steps}
        for steps in (config.steps, *sorted(lengths)):
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

    def write(self, record: Record) -> None:
        """Save a checkpoint in the place of the one before. Errors: StorageError."""
        write_atomically(self.file(record.config), write_bytes(record.to_bytes()))
        self._lengths.setdefault(record.config.key, set()).add(record.config.steps)

    def set_aside(self, config: RunConfig) -> None:
        """Move a run's damaged file out of the way, so that it is trained again."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.file(config), self.file(config).with_suffix(".damaged"))
        self.refresh()

    # --- Which runs were asked for ---

    def add(self, configs: Iterable[RunConfig]) -> None:
        """Put runs on the list: a file of its own for each list, so that nobody waits. Errors: StorageError."""
        said = [json.loads(c.to_json()) for c in configs]
        common = {k: v for k, v in said[0].items() if all(k in x and x[k] == v for x in said)}
        lines = ",\n".join(canonical({k: v for k, v in x.items() if k not in common}) for x in said)
        content = f'{{"common": {canonical(common)},\n"runs": [\n{lines}\n]}}\n'.encode()
        path = self.sweeps / f"{hashlib.sha256(content).hexdigest()[:16]}.json"
        if not path.exists():
            write_atomically(path, write_bytes(content))

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
            for config in self._from_headers(found):
                found.setdefault(config.name, config)
        return list(found.values())

    def _from_headers(self, known: Iterable[str]) -> Iterator[RunConfig]:
        names = {f"{key}-{steps}" for key, lengths in self._lengths.items() for steps in lengths}
        for name in sorted(names - set(known)):
            with contextlib.suppress(DamagedRecord, OtherVersion, FileNotFoundError):
                yield Record.from_file(self.runs / f"{name}{SUFFIX}").config
