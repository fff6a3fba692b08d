"""Runs on disk: one checkpoint file a run, written so that no kill, full disk or flipped bit goes unseen.

    out/runs/<key>-<steps>.safetensors         a run on its way to so many steps (`record`)
    out/runs/<key>-<steps>.spare.safetensors   the checkpoint before; once the run is finished, a second copy of it
    out/sweeps/<digest>.json                   the runs that a call asked for
    out/locks/                                 who trains what (`leases`)
    out/results.nc                             all runs as one labelled data set (`realnet.results`)

A run that is asked for with more steps goes on from the file with fewer. Nothing is unpickled.
"""

from realnet.records.files import StorageError, write_atomically
from realnet.records.folder import Folder
from realnet.records.leases import Leases
from realnet.records.provenance import environment
from realnet.records.record import DamagedRecord, OtherVersion, Record

__all__ = [
    "DamagedRecord",
    "Folder",
    "Leases",
    "OtherVersion",
    "Record",
    "StorageError",
    "environment",
    "write_atomically",
]
