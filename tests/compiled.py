"""Compiles what the tests share: `python -m tests.compiled`, before their processes start and each compiles it again."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import realnet as rn
import toymodel as tm


def toy() -> None:
    tm.sweep(kappa=[1.0], t_end=1.0, progress=False)
    tm.sweep(kappa=[1.0], t_end=0.1, method="descent", progress=False)


def nets(dtype: str) -> None:
    rn.train(rn.RunConfig(p=5, dataset_size=12, d_model=16, d_mlp=16, steps=2, dtype=dtype), "cpu", progress=False)


if __name__ == "__main__":
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(nets, "float32"), pool.submit(nets, "float64"), pool.submit(toy)]:
            done.result()
