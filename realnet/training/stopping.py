"""Signals that ask a process to save and leave: what Slurm and other batch systems send is taken as Control-C is."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

__all__ = ["Stopped", "signals"]

ASKING = ("SIGTERM", "SIGUSR1")


class Stopped(KeyboardInterrupt):
    """A signal asked this process to leave; `signum` is its number. What was trained is saved."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


@contextlib.contextmanager
def signals() -> Iterator[None]:
    """Raise Stopped in the main thread where a signal would have ended the process; others' handlers stay as they are."""

    def leave(signum: int, frame: FrameType | None) -> NoReturn:
        raise Stopped(signum)

    mine = []
    if threading.current_thread() is threading.main_thread():
        for name in ASKING:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, leave)
                mine.append(number)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)
