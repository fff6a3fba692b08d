"""diffrax beside toymodel.sweep, measured once: `pip install diffrax`, then `python -m tests.benchmarks.compare_diffrax`.

diffrax is not among the project's dependencies, so `make bench` leaves this out.  It is given every advantage that carries
over: the mirror coordinate (3.6), double precision, jit and vmap over all points, only the final state saved, and for each
of its solvers the looser of two tolerances at which its logits are as good as 1e-6.
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

import toymodel as tm
from tests import references

from .bench_toymodel import GRID, PAPER, T_END
from .measure import in_turn, save, spread

# Where diffrax gets through: up to κ = 1.9 a circuit's logit falls to 1e-18 and the rates stiffen like 1 / W; there Tsit5's
# logits were wrong by up to 0.3 nats within 200 000 steps.  Every second value of either axis: the implicit solver is slow.
GRID = {"kappa": GRID["kappa"][GRID["kappa"] <= 1.5][::2], "dataset_size": GRID["dataset_size"][::2]}
jax.config.update("jax_enable_x64", True)


def rates(_t: Any, theta: Any, args: Any) -> Any:
    """(3.6) dθ/dt = p(S) - a W^(r-1)."""
    invariants, slopes, r, log_rivals = args
    logits = 0.5 * invariants * jnp.sinh(2.0 * theta)
    # Below W = 0 the power would be nan.
    penalty = slopes * jnp.maximum(logits, 1e-300) ** (r - 1.0)
    return jax.nn.sigmoid(log_rivals - logits.sum()) - penalty


def solver(method: Any, tolerance: float) -> Any:
    """A jitted, vmapped function from kappa, slopes (P, 2) to final logits (P, 2)."""
    invariants = jnp.asarray(PAPER.invariants)

    def one(kappa: Any, slopes: Any) -> Any:
        args = (invariants, slopes, 2.0 / kappa, jnp.log(PAPER.num_classes - 1.0))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rates), method, 0.0, T_END, 1e-4, jnp.full(2, 1e-9), args,
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance), max_steps=200_000,
            saveat=diffrax.SaveAt(t1=True), throw=False,
        )  # fmt: skip
        return 0.5 * invariants * jnp.sinh(2.0 * solution.ys[-1])

    return jax.jit(jax.vmap(one))


def main() -> None:
    """Writes results/diffrax.json."""
    kappa, size = (x.ravel() for x in np.meshgrid(GRID["kappa"], GRID["dataset_size"], indexing="ij"))
    models = [PAPER.with_parameters(kappa=k, dataset_size=d) for k, d in zip(kappa, size, strict=True)]
    slopes = jnp.asarray(np.array([references.slopes(model) for model in models]))
    exact = tm.sweep(PAPER, **GRID, rtol=1e-12, progress=False).logit.values.reshape(-1, 2)
    results: dict[str, Any] = {}
    for name, method in (("Tsit5", diffrax.Tsit5()), ("Kvaerno5", diffrax.Kvaerno5())):
        for tolerance in (1e-7, 1e-9):
            run = solver(method, tolerance)

            def theirs(run: Any = run) -> Any:
                return run(jnp.asarray(kappa), slopes).block_until_ready()

            error = float(np.nanmax(np.abs(np.asarray(theirs()) - exact)))
            print(name, tolerance, error, flush=True)
            if error <= 1e-6 or tolerance == 1e-9:
                break
        ours, others = in_turn(lambda: tm.sweep(PAPER, **GRID, progress=False), theirs, 3)
        results[name] = {
            "rtol_and_atol": tolerance,
            "logit_error_max": error,
            "microseconds_per_point": spread([1e6 * t / kappa.size for t in others]),
            "sweep_is_times_faster": spread([b / a for a, b in zip(ours, others, strict=True)]),
        }
        print(name, results[name])
    save(
        "diffrax",
        {"grid": "kappa up to 1.5; every second kappa and size of toymodel.json", **results},
        ("diffrax", "jax", "jaxlib", "numpy", "numba"),
        "python -m tests.benchmarks.compare_diffrax",
    )


if __name__ == "__main__":
    main()
