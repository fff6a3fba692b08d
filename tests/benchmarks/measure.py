"""How a benchmark measures and what it writes down: medians with their spread, and the machine they hold for."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spread(values: list[float]) -> dict[str, float]:
    """Median, least, greatest and n."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def in_turn(a: Callable[[], Any], b: Callable[[], Any], n: int) -> tuple[list[float], list[float]]:
    """n times a, then b: so that a machine whose speed drifts treats both alike."""
    pairs = [(seconds(a), seconds(b)) for _ in range(n)]
    return [x for x, _ in pairs], [y for _, y in pairs]


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


class Log:
    """A results file that is whole after every `put`, so that a machine taken away leaves what was measured."""

    def __init__(self, path: Path, packages: tuple[str, ...], command: str) -> None:
        self.path = path
        self.results: dict[str, Any] = {
            "provenance": {
                "processor": processor(),
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "versions": {package: version(package) for package in packages},
                "command": command,
            }
        }

    def put(self, name: str, value: Any) -> None:
        """Add a result and write everything."""
        self.results[name] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".tmp")
        scratch.write_text(json.dumps(self.results, indent=1) + "\n")
        scratch.replace(self.path)


def save(name: str, results: dict[str, Any], packages: tuple[str, ...], command: str | None = None) -> Path:
    """Writes results/NAME.json, whole or not at all."""
    log = Log(RESULTS / f"{name}.json", packages, command or f"python -m tests.benchmarks {name}")
    for key, value in results.items():
        log.put(key, value)
    return log.path
