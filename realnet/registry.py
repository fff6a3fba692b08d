"""Tasks, networks, losses and gradient filters by name: built in, or your own from a file (realnet/README.md).

A name of your own is "mine:parity" (mine.py, or a module that Python finds) or "folder/mine.py:parity". A digest of
the file is part of the run's config, so an edited task is another run; keep what it computes with in that one file.

What a name stands for is a function (or a class) whose arguments are filled by their names: from what the engine
gives, from the run's `options`, and from the fields of RunConfig.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from realnet.fields import ConfigError, meant, require, typed
from realnet.tasks.modular import MODULAR
from realnet.tasks.task import Task

__all__ = [
    "BUILT_IN",
    "arguments",
    "check_name",
    "check_source",
    "find",
    "is_own",
    "not_while_imported",
    "source",
    "task_of",
]

BUILT_IN: dict[str, dict[str, str]] = {
    "task": {
        **dict.fromkeys(MODULAR, "realnet.tasks.modular:modular"),
        "teacher": "realnet.tasks.teacher:teacher",
        "mnist": "realnet.tasks.images:mnist",
        "reviews": "realnet.tasks.text:reviews",
        "molecules": "realnet.tasks.molecules:molecules",
    },
    "network": {
        "transformer": "realnet.nets.transformer:Transformer",
        "mlp": "realnet.nets.mlp:MLP",
        "bag": "realnet.nets.recurrent:Bag",
        "lstm": "realnet.nets.recurrent:LSTM",
        "graph": "realnet.nets.graph:GraphNet",
    },
    "loss": {
        "cross_entropy": "realnet.losses:cross_entropy",
        "mse": "realnet.losses:mse",
        "stablemax": "realnet.losses:stablemax",
        "softmax": "realnet.losses:softmax",
    },
    "gradient_filter": {
        "none": "",
        "perpendicular": "realnet.engine.filters:perpendicular",
        "grokfast": "realnet.engine.filters:grokfast",
        "grokfast_ma": "realnet.engine.filters:grokfast_ma",
        "clip": "realnet.engine.filters:clip",
    },
}
_OPEN = ("task", "network", "loss")
_lock = threading.RLock()
_modules: dict[tuple[str, str], Any] = {}
_importing: list[tuple[Path, int]] = []
"""files that are being read, and the threads that read them"""


def is_own(name: str) -> bool:
    """Whether `name` is somebody's own: "file:name"."""
    return ":" in name


def check_name(kind: str, name: str) -> None:
    """Raise ConfigError unless `name` is a built-in of its kind, or has the form of one's own."""
    known = BUILT_IN[kind]
    own = f' Or name your own as "mine:{kind}".' if kind in _OPEN else ""
    fine = name in known or (kind in _OPEN and is_own(name) and all(name.rsplit(":", 1)))
    require(
        fine, f"{kind} must be one of {', '.join(known)}", name, f"{meant(name, known)}Choose a {kind} of these.{own}"
    )


def _path(name: str) -> Path:
    place = name.rsplit(":", 1)[0]
    path = Path(place) if place.endswith(".py") else Path(*place.split(".")).with_suffix(".py")
    if not path.is_file() and not place.endswith(".py"):
        try:
            spec = importlib.util.find_spec(place)
        except (ImportError, ValueError):
            spec = None
        path = Path(spec.origin) if spec is not None and spec.origin else path
    remedy = 'Name it as "mine:parity" beside mine.py, or as "path/to/mine.py:parity".'
    require(path.is_file(), f"{name!r} needs a Python file {str(path)!r}", "no such file", remedy)
    return path


def source(names: Iterable[str]) -> str | None:
    """Digest of the files that the own ones among `names` stand in; None if all are built in."""
    files = [hashlib.sha256(_path(n).read_bytes()).hexdigest() for n in names if is_own(n)]
    return hashlib.sha256("".join(files).encode()).hexdigest()[:16] if files else None


def find(kind: str, name: str) -> Callable[..., Any]:
    """The function or class that `name` stands for. Errors: ConfigError if there is none."""
    if not is_own(name):
        module, _, attribute = BUILT_IN[kind][name].partition(":")
        built_in: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return built_in
    path, attribute = _path(name), name.rsplit(":", 1)[1]
    found = getattr(_load(path), attribute, None)
    require(callable(found), f"{path} must define {attribute}", "nothing of this name", "Correct the spelling.")
    assert found is not None
    return found


class ImportedTraining(ConfigError):
    """A file that trains while it is read for the task, network or loss that it defines."""


def not_while_imported() -> None:
    """Raise ConfigError where a file that defines one's own task would train each time that it is read."""
    here = [path for path, thread in _importing if thread == threading.get_ident()]
    if here:
        raise ImportedTraining(
            f"{here[-1]} must not train while its task or network is read from it; received a call of train at its "
            'top level. Put what it does under `if __name__ == "__main__":`.'
        )


def _load(path: Path) -> Any:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    key = (str(path.resolve()), digest)
    with _lock:
        if key not in _modules:
            if path in [reading for reading, _ in _importing]:
                not_while_imported()
            module_name = f"{path.stem}_{digest[:8]}"
            spec = importlib.util.spec_from_file_location(module_name, path)
            assert spec is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            _importing.append((path, threading.get_ident()))
            try:
                exec(compile(content, str(path), "exec"), module.__dict__)
            except Exception as error:
                sys.modules.pop(module_name, None)
                if isinstance(error, ImportedTraining):
                    raise
                problem = f"{type(error).__name__}: {error}"
                require(False, f"{path} must run as Python", problem, "Mend the file; `python mine.py` shows where.")
            finally:
                _importing.pop()
            _modules[key] = module
        return _modules[key]


def arguments(
    thing: Callable[..., Any], name: str, config: Any, given: Mapping[str, Any], skip: int = 0
) -> dict[str, Any]:
    """What `thing` is called with: each argument after the first `skip`, from `given`, the run's options, or its fields.

    Errors: ConfigError for an argument that none of them has and that has no default, or for an option of another type
    than its annotation says.
    """
    options, filled = dict(config.options), {}
    for parameter in list(inspect.signature(thing).parameters.values())[skip:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        key = parameter.name
        if key in given:
            filled[key] = given[key]
        elif key in options:
            filled[key] = _typed(key, options[key], parameter)
        elif getattr(config, key, None) is not None and key in type(config).__dataclass_fields__:
            filled[key] = getattr(config, key)
        else:
            has = parameter.default is not parameter.empty
            require(has, f"{name} needs a value for its argument {key}", options, f"Pass options={{{key!r}: ...}}.")
    return filled


def _typed(key: str, value: Any, parameter: inspect.Parameter) -> Any:
    said = parameter.annotation
    said = said if isinstance(said, str) else getattr(said, "__name__", "")
    free = value is None and parameter.default is None
    return value if free else typed(f"option {key}", value, said)


def check_source(config: Any) -> None:
    """Raise ConfigError if the files of the run's own names are no longer those that it was made with."""
    if config.source is not None:
        now = source(config.own_names)
        remedy = "Make the RunConfig anew: with another source it is another run."
        require(
            now == config.source, f"the source of {', '.join(config.own_names)} must be {config.source}", now, remedy
        )


def task_of(config: Any, name: str | None = None) -> Task:
    """The task of `config`, or the one called `name` under its options.

    Errors: ConfigError if it cannot be made, such as for data that are not installed, or for an edited source.
    """
    name = name or config.task
    check_source(config)
    make = find("task", name)
    filled = arguments(make, name, config, {"name": name, "seed": config.split_seed})
    try:
        task = _make(make, tuple(filled.items()))
    except ConfigError:
        raise
    except Exception as error:  # whatever somebody's own code raises
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"task {name!r} must be made of {filled}; received {problem!r}. Mend it.") from error
    require(isinstance(task, Task), f"task {name!r} must make a realnet.Task", type(task).__name__, "Return one.")
    return task


@functools.lru_cache(maxsize=64)
def _make(make: Callable[..., Any], filled: tuple[tuple[str, Any], ...]) -> Task:
    task: Task = make(**dict(filled))
    return task
