"""Compiles what the tests share: `python -m tests.compiled`, before their processes start and each compiles it again."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

import realnet as rn
import toymodel as tm
from realnet.engine import compiled
from realnet.engine.ensemble import Stack


def bits() -> str:
    """A gradient and logits by compiled code, as it is in this process; on one thread, as where networks are trained."""
    with threadpool_limits(1, "blas"):  # products on two round otherwise
        stack = Stack([rn.RunConfig(p=23, dataset_size=300, d_model=32, d_mlp=128)], torch.device("cpu"))
        stack.gradient()
        return " ".join(tensor.numpy().tobytes().hex() for tensor in (stack.grads, stack.table_logits(0)))


def first_bits() -> Path:
    """Where those are kept that a process found which had just compiled."""
    return Path(compiled.gradient.stats.cache_path) / "first_bits"


def toy() -> None:
    tm.sweep(kappa=[1.0], t_end=1.0, progress=False)
    tm.sweep(kappa=[1.0], t_end=0.1, method="descent", progress=False)


def nets(dtype: str) -> None:
    rn.train(rn.RunConfig(p=5, dataset_size=12, d_model=16, d_mlp=16, steps=2, dtype=dtype), "cpu", progress=False)
    if dtype == "float32" and sum(compiled.gradient.stats.cache_misses.values()):
        first_bits().write_text(bits())


if __name__ == "__main__":
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(nets, "float32"), pool.submit(nets, "float64"), pool.submit(toy)]:
            done.result()
