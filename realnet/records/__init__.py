"""Runs on disk, written so that no kill, full disk or flipped bit goes unseen. Nothing is unpickled."""

from realnet.records.files import StorageError, write_atomically
from realnet.records.folder import Folder
from realnet.records.leases import Leases
from realnet.records.provenance import environment
from realnet.records.record import DamagedRecord, OtherVersion, Record, stopping_step

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
