"""Who trains what: leases on names in a folder, for processes on any machines that share it.

    locks/<name>.lease            says which session holds the name
    locks/<session>.beat          touched every few seconds while the session lives
    locks/<name>.<session>.heir   made by the one process that may take over from that dead session

Only exclusive creation and renaming are asked of the file system, no flock. A holder is dead when its process is gone
(where that can be seen: same machine, same boot) or when it has not been heard of for a minute by the file server's own
clock. Should two hold a name after all (a machine asleep for a minute), each asks before it writes, the older one
stops, and nothing is damaged meanwhile: files are replaced whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import uuid
from pathlib import Path
from types import TracebackType

from realnet.records.store import storage_error

__all__ = ["Leases"]

BEAT = 5.0
"""seconds between signs of life"""
PATIENCE = 60.0
"""seconds without one after which a session counts as dead"""


class Leases:
    """A session that takes and gives back names; use as a context. Errors: StorageError if `folder` cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.session = folder, uuid.uuid4().hex
        self._held: set[str] = set()
        self._over = threading.Event()

    def __enter__(self) -> Leases:
        self._write(self.folder / f"{self.session}.beat", json.dumps(_process(os.getpid())))
        threading.Thread(target=self._beat, name="realnet leases", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for name in tuple(self._held):
            self.release(name)
        (self.folder / f"{self.session}.beat").unlink(missing_ok=True)

    def acquire(self, name: str) -> bool:
        """Whether this session holds `name` from now on; False where another one, or it already, does."""
        path = self.folder / f"{name}.lease"
        for _ in range(3):
            if self._create(path):
                self._held.add(name)
                return True
            holder = _text(path)
            if holder is None:  # given back just now
                continue
            if holder == self.session or not self._dead(holder, path):
                return False
            if self._inherit(path, name, holder):
                self._held.add(name)
                return True
        return False

    def mine(self, name: str) -> bool:
        """Whether this session still holds `name`: to be asked before writing what the name stands for."""
        return _text(self.folder / f"{name}.lease") == self.session

    def release(self, name: str) -> None:
        """Give `name` back."""
        self._held.discard(name)
        if self.mine(name):
            (self.folder / f"{name}.lease").unlink(missing_ok=True)

    def company(self) -> bool:
        """Whether there are other sessions, alive or not long dead."""
        return any(path.name != f"{self.session}.beat" for path in self.folder.glob("*.beat"))

    def _inherit(self, path: Path, name: str, holder: str) -> bool:
        """Take a dead session's lease over; of several that try only the one that makes the heir's mark does."""
        mark = self.folder / f"{name}.{holder or 'nobody'}.heir"
        if not self._create(mark):
            if self._silent(mark):  # an heir that died while at it
                mark.unlink(missing_ok=True)
            return False
        try:
            if _text(path) != holder:
                return False
            new = self.folder / f".{name}.{self.session}.lease.tmp"
            self._write(new, self.session)
            os.replace(new, path)
            return True
        finally:
            mark.unlink(missing_ok=True)

    def _dead(self, session: str, lease: Path | None = None) -> bool:
        beat = self.folder / f"{session}.beat"
        content = _text(beat) if session else None
        if content is None:
            # No sign of the session; but a lease without content may be in the making.
            return bool(session) or (lease is not None and self._silent(lease))
        with contextlib.suppress(ValueError, TypeError, KeyError):
            known, here = json.loads(content), _process(os.getpid())
            if here["machine"] and known["machine"] == here["machine"]:
                return bool(_process(known["pid"])["started"] != known["started"])
        return self._silent(beat)

    def _silent(self, path: Path) -> bool:
        """Whether `path` has not been touched for a while, by the clock that also stamps this session's own file."""
        own = self.folder / f"{self.session}.beat"
        try:
            self._touch()
            return own.stat().st_mtime - path.stat().st_mtime > PATIENCE
        except FileNotFoundError:
            return False

    def _create(self, path: Path) -> bool:
        try:
            with open(path, "x") as file:
                file.write(self.session)
        except FileExistsError:
            return False
        except OSError as error:
            with contextlib.suppress(OSError):  # half a lease would keep everybody waiting
                path.unlink(missing_ok=True)
            raise storage_error(path, error) from error
        return True

    def _write(self, path: Path, content: str) -> None:
        try:
            path.write_text(content)
        except OSError as error:
            raise storage_error(path, error) from error

    def _touch(self) -> None:
        own = self.folder / f"{self.session}.beat"
        try:
            os.utime(own)
        except FileNotFoundError:  # somebody tidied up
            if not self._over.is_set():
                self._write(own, json.dumps(_process(os.getpid())))

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with contextlib.suppress(OSError):  # the next beat may succeed; the lease lasts for several
                self._touch()


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _process(pid: int) -> dict[str, object]:
    """A process as others can recognise it: which machine since which boot, and when it started; Linux only."""
    machine = started = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        machine = f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
        # After the name in brackets, which may hold anything, comes field 3; the start is field 22, the state field 3.
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started = "" if state in "ZX" else rest[18]
    return {"machine": machine, "pid": pid, "started": started}
