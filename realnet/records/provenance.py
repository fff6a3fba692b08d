"""What a run says of the machine and the code that trained it."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

__all__ = ["environment"]


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
