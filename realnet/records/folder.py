"""The output folder of an experiment: which runs were asked for, and how far each has come."""

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

SUFFIX, SPARE = ".safetensors", ".spare.safetensors"
LITTER = 3600.0
"""seconds after which a temporary file is a killed writer's"""


class Folder:
    """The output folder at `path`, made unless `create` is False.

    Errors: FileNotFoundError if it is not there, StorageError if it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = True) -> None:
        self.path, self.writing = Path(path), create
        self.runs, self.locks, self.sweeps = (self.path / name for name in ("runs", "locks", "sweeps"))
        if not create and not (self.runs.is_dir() or (self.path / "experiment.json").exists()):
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
        self._unnamed: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.runs):
                name = entry.name
                if name.endswith(".tmp"):
                    self._tidy(Path(entry.path))
                elif name.endswith(SUFFIX) and not name.endswith((SPARE, ".previous.safetensors")):
                    key, _, steps = name.removesuffix(SUFFIX).partition("-")
                    if steps.isdecimal():
                        self._lengths.setdefault(key, set()).add(int(steps))
                    else:
                        self._unnamed.append(name)
        self._known_by: dict[str, Path] | None = None

    def _tidy(self, path: Path) -> None:
        if self.writing:
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LITTER:
                    path.unlink()

    def file(self, config: RunConfig) -> Path:
        """The run's checkpoint."""
        return self.runs / f"{config.name}{SUFFIX}"

    def spare(self, config: RunConfig) -> Path:
        """The checkpoint before, or a finished run's second copy."""
        return self.runs / f"{config.name}{SPARE}"

    def read(self, config: RunConfig, *parts: str) -> Record | None:
        """How far the run has come, with those of the parts "curve" and "state" that are asked for; None: not begun.

        A run of another length counts: a shorter one as far as it came, a longer one cut here, unless the state is
        asked for. Warns about what is damaged and passes on to the copy beside it. Errors: OtherVersion, if the folder
        is written to.
        """
        best = self._newest(config.name, config, parts)
        if best is not None and best.done:
            return best
        for steps in self._lengths.get(config.key, set()) - {config.steps}:
            other = self._newest(f"{config.key}-{steps}", config, parts)
            if other is None or ("state" in parts and not other.tensors):
                continue
            if best is None or other.step > best.step:
                best = other
        if best is None and self._unnamed and (path := self._by_header().get(config.name)):
            best = self._open(path, config, parts)
        return best

    def read_all(self, configs: Iterable[RunConfig], *parts: str) -> dict[RunConfig, Record]:
        """`read` of each run that was begun."""
        return {c: r for c in configs if (r := self.read(c, *parts)) is not None}

    def _newest(self, name: str, config: RunConfig, parts: tuple[str, ...]) -> Record | None:
        for suffix in (SUFFIX, SPARE):
            record = self._open(self.runs / f"{name}{suffix}", config, parts)
            if record is not None:
                return record
        return None

    def _open(self, path: Path, config: RunConfig, parts: tuple[str, ...]) -> Record | None:
        try:
            record = Record.from_file(path, *parts)
            if record.config.key != config.key:
                raise DamagedRecord("it belongs to another config")
            return record.of(config)
        except FileNotFoundError:
            return None
        except DamagedRecord as error:
            warnings.warn(f"{path} is damaged ({error}); using what is beside it", stacklevel=4)
        except OtherVersion as error:
            if self.writing:
                raise
            warnings.warn(str(error), stacklevel=4)
        return None

    def write(self, record: Record) -> None:
        """Save a checkpoint beside the one before, and a finished run twice. Errors: StorageError."""
        config, content = record.config, write_bytes(record.to_bytes())
        write_atomically(self.file(config), content, self.spare(config))
        self._lengths.setdefault(config.key, set()).add(config.steps)
        if record.done:
            write_atomically(self.spare(config), content)

    def set_aside(self, config: RunConfig) -> None:
        """Move a run's damaged files out of the way, so that it is trained again."""
        for path in (self.file(config), self.spare(config)):
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, path.with_suffix(".damaged"))
        self.refresh()

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
        lists = [p for p in (self.path / "experiment.json",) if p.exists()]
        lists += sorted(self.sweeps.glob("[!.]*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name))
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
        names = {f"{key}-{steps}{SUFFIX}" for key, lengths in self._lengths.items() for steps in lengths}
        for name in sorted(names - {f"{n}{SUFFIX}" for n in known}) + self._unnamed:
            for path in (self.runs / name, self.runs / name.replace(SUFFIX, SPARE)):
                with contextlib.suppress(DamagedRecord, OtherVersion, FileNotFoundError):
                    yield Record.from_file(path).config
                    break

    def _by_header(self) -> dict[str, Path]:
        """Checkpoints whose names say nothing (older versions named them by other keys), by the run they hold."""
        if self._known_by is None:
            self._known_by = {}
            for name in self._unnamed:
                try:
                    self._known_by[Record.from_file(self.runs / name).config.name] = self.runs / name
                except DamagedRecord as error:
                    warnings.warn(f"{self.runs / name} is damaged ({error})", stacklevel=4)
                except OtherVersion as error:
                    warnings.warn(str(error), stacklevel=4)
        return self._known_by
