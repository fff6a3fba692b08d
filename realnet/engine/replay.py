"""Steps recorded once and replayed: on CUDA a step is hundreds of small kernels, whose launching would take longest.

Several workers may share a GPU, and a machine may have several: each worker has a stream of its own on its device, and
one records at a time, since freeing memory or waiting for the whole device would spoil another's recording.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["Recorded", "empty_cache", "float64", "products", "workers"]

WARM_UP = 3  # real calls before the recording, which let allocator and libraries settle
_recording = threading.Lock()


def float64(device: torch.device) -> torch.dtype:
    """The widest floats of a device: Apple's graphics processors have none of 64 bits."""
    return torch.float32 if device.type == "mps" else torch.float64


class Recorded:
    """An act that always does the same work on the same tensors: recorded on CUDA, called on other devices."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, act: Callable[[], object]) -> None:
        """Do it once."""
        if self.graph is None and (self.device.type != "cuda" or self.calls < WARM_UP):
            act()
        else:
            self.graph = self.graph or self._record(act)
            self.graph.replay()
        self.calls += 1

    def _record(self, act: Callable[[], object]) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # "thread_local": what other workers allocate meanwhile is no business of this recording.
        with (
            _recording,
            torch.cuda.graph(graph, stream=torch.cuda.Stream(self.device), capture_error_mode="thread_local"),
        ):
            act()  # recorded, not run
        return graph


def workers(count: int, device: torch.device) -> ThreadPoolExecutor:
    """Threads to train in: each on its device, also where that is not the first one, and on a stream of its own.

    They take subnormal numbers for 0: units that died have gradients of exactly 0, so Adam's moments decay into the
    subnormal range and stay there, where some processors compute seven times slower. Settings end with the thread.
    """
    return ThreadPoolExecutor(count, initializer=_enter, initargs=(device,))


def _enter(device: torch.device) -> None:
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.cuda.set_stream(torch.cuda.Stream(device))


def empty_cache(device: torch.device) -> None:
    """Give unused memory back to the device, while nobody records."""
    if device.type == "cuda":
        with _recording, torch.cuda.device(device):
            torch.cuda.empty_cache()


@contextlib.contextmanager
def products(tf32: bool) -> Iterator[None]:
    """Whether CUDA rounds float32 products to TF32, for this process and until the block ends."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
