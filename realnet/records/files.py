"""Writing a file so that a kill or a full disk leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["StorageError", "storage_error", "write_atomically", "write_bytes"]


class StorageError(OSError):
    """Results could not be written; what was on disk before is whole."""


def storage_error(path: Path, error: OSError) -> StorageError:
    """What to tell about `error`, met while writing `path`."""
    full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    reason = "the disk is full or a size limit is reached" if full else str(error)
    return StorageError(
        error.errno,
        f"{path} must be writable; {reason}. The files of before are whole: free some space or choose "
        "another folder, then start the same command again to go on from the last checkpoint",
    )


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`.

    Errors: StorageError if the disk is full or cannot be written; `path` is then as it was.
    """
    temporary = str(path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp"))
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def write_bytes(content: bytes) -> Callable[[str], object]:
    """For `write_atomically`: a file of these bytes."""
    return lambda name: Path(name).write_bytes(content)
