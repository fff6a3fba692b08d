"""What is stale, by content.  One doit task a figure; doit keeps the record and skips what is up to date."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from doit.tools import config_changed

from validate.verdicts import FORMAT, is_current

from .catalogue import chosen, fingerprint, needs
from .paths import Paths
from .render import digest, package_version, render


def task(paths: Paths, name: str) -> dict[str, Any]:
    """The doit task of one figure."""

    def as_written(task: Any, values: dict[str, Any]) -> bool:  # doit finds these two by name
        # A picture that came with another checkout is not the one that was built.
        return all(values.get(kind) == digest(file) for kind, file in paths.targets(name).items())

    def draw() -> dict[str, str]:
        return render(paths, name)

    return {
        "basename": name,
        "actions": [draw],
        "targets": [str(file) for file in paths.targets(name).values()],
        "uptodate": [config_changed(f"{package_version()} {fingerprint(paths, name)}"), as_written],
    }


class Reporter:
    """One line a figure drawn, and a last line that says what was done."""

    desc = "one line a figure"

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        # doit holds on to the stdout of its import; print() finds the one of now.
        self.started = 0.0
        self.drawn, self.fresh, self.failed = 0, 0, 0

    def execute_task(self, task: Any) -> None:
        self.started = time.perf_counter()

    def add_success(self, task: Any) -> None:
        self.drawn += 1
        print(f"drew {task.name} ({time.perf_counter() - self.started:.1f} s)", flush=True)

    def skip_uptodate(self, task: Any) -> None:
        self.fresh += 1

    def add_failure(self, task: Any, failure: Any) -> None:
        self.failed += 1
        print(f"could not draw {task.name}\n{failure.get_msg()}", flush=True)

    def runtime_error(self, message: str) -> None:
        self.failed += 1
        print(f"{message}", flush=True)

    def complete_run(self) -> None:
        total = self.drawn + self.fresh + self.failed
        if self.fresh == total > 0:
            print(f"nothing to do: {total} of {total} figures up to date", flush=True)
        else:
            failed = f", {self.failed} failed" if self.failed else ""
            print(f"{self.drawn} drawn, {self.fresh} up to date{failed}", flush=True)

    def _ignore(self, *_: Any) -> None:
        """Nothing to say."""

    initialize = get_status = skip_ignore = cleanup_error = teardown_task = _ignore


def _drop_damaged_record(paths: Paths) -> None:
    """A kill while doit wrote its record leaves half of it: everything is then drawn anew."""
    if paths.record.exists():
        try:
            json.loads(paths.record.read_text(encoding="utf-8"))
        except ValueError:
            paths.record.unlink()


def build(wanted: Sequence[str] = (), *, force: bool = False, paths: Paths | None = None) -> int:
    """Draws the figures in `wanted` (default: all) that are stale, or all of them with `force`.  0 if all went well.

    A figure whose runs are not there is left out with a sentence; that is a failure only if it was asked for by name.
    ValueError for a name that is no figure.
    """
    paths = paths or Paths()
    left_out = {name: absent for name in chosen(paths, wanted) if (absent := _absent(paths, name))}
    selected = [name for name in chosen(paths, wanted) if name not in left_out]
    for name, absent in left_out.items():
        print(f"left out {name}: there is no {' and no '.join(absent)} in {paths.data}", flush=True)
    if not selected:
        return int(bool(wanted))
    paths.build.mkdir(parents=True, exist_ok=True)
    _drop_damaged_record(paths)

    def task_figures() -> Iterator[dict[str, Any]]:
        for name in selected:
            yield task(paths, name)

    config = {
        "dep_file": str(paths.record),
        "backend": "json",
        "reporter": Reporter,
        "verbosity": 2,
        # One figure that fails does not keep the others from being drawn.
        "continue": True,
        "always": force,
    }
    main = DoitMain(ModuleTaskLoader({"DOIT_CONFIG": config, "task_figures": task_figures}), config_filenames=())
    code = main.run(["run", *(["--always-execute"] if force else []), *selected])
    return int(code or 0) or int(bool(wanted and left_out))


def _absent(paths: Paths, name: str) -> list[str]:
    """Saved results that figure `name` needs and that are not there, or are judged by older rules."""
    found = []
    for file in needs(paths, name):
        if not file.exists():
            found.append(f"{file.parent.name}/{file.name}")
        elif file.name == "verdicts.json" and not is_current(file):
            found.append(f"{file.name} of format {FORMAT} (judge the runs anew: python -m validate report)")
    return found
