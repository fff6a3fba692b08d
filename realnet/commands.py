"""What the command lines of realnet and validate share: an error in one line, and a stop that says how to go on."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import tyro

from realnet.fields import ConfigError

__all__ = ["run_command"]


def run_command(commands: Mapping[str, Callable[..., Any]], prog: str, args: list[str] | None) -> int:
    """Run one of `commands`; returns the exit status.

    0; 2 for bad input or a full disk or memory; 128 and the signal's number when asked to leave (130 for Control-C).
    """
    # A terminal that has no Greek letters shows question marks instead.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if (sys.argv[1:] if args is None else args)[:1] == ["--version"]:
        print(f"{prog.rpartition(' ')[2]} {version('two-circuits')}")
        return 0
    try:
        tyro.extras.subcommand_cli_from_dict(dict(commands), prog=prog, args=args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # SIGPIPE's number, which not every system has
    except ModuleNotFoundError as missing:
        print(
            f"error: {missing.name} is not installed. Install it: pip install '.[realnet]' in a clone", file=sys.stderr
        )
        return 2
    except (ConfigError, OSError, MemoryError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as asked:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 128 + getattr(asked, "signum", signal.SIGINT)
    return 0
