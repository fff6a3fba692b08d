"""Runs on disk, written so that no kill, full disk or flipped bit goes unseen. Nothing is unpickled."""

from realnet.records.leases import Leases
from realnet.records.provenance import environment
from realnet.records.store import (
    DamagedRecord,
    Folder,
    OtherVersion,
    Record,
    StorageError,
    stopping_step,
    write_atomically,
)

__all__ = [
    "DamagedRecord",
    "Folder",
    "Leases",
    "OtherVersion",
    "Record",
    "StorageError",
    "environment",
    "stopping_step",
    "write_atomically",
]
