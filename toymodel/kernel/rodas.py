"""One step of Rodas5P in the mirror coordinate, O(n): README (3.6), (3.7).

Rodas5P is an L-stable Rosenbrock-Wanner method of order 5 in eight stages, with an embedded method of order 4 for the
error and a dense output of order 4.  Coefficients: Steinebach 2023, "Construction of Rosenbrock-Wanner method Rodas5P
and numerical benchmarks within the Julia Differential Equations package", BIT 63:27, doi 10.1007/s10543-023-00967-x.
"""

import math

from . import jit, rows
from .elementary import Vector
from .equations import logit_of, rates, solve_linear

GAMMA = 0.21193756319429014


@jit
def step(n: int, lanes: int, room: Vector) -> None:
    """Steps every lane by its own H from THETA, whose LOGITS, RATE and P are given, to END.

    K1..K8 receive the stages, ERROR the error in ln(1 + W): that is s² θ for W << s² and 2 θ beyond it.
    """
    theta, logits, rate, p, h = room[rows.THETA], room[rows.LOGITS], room[rows.RATE], room[rows.P], room[rows.H]
    parked, invariant, power = room[rows.PARKED], room[rows.INVARIANT], room[rows.POWER]
    end, error = room[rows.END], room[rows.ERROR]
    inverse, weight, per_h, rhs = room[rows.INVERSE], room[rows.WEIGHT], room[rows.PER_H], room[rows.RHS]
    y, w, q, pull, share = room[rows.Y], room[rows.W], room[rows.ALONG], room[rows.PULL], room[rows.SHARE]
    k1, k2, k3, k4 = room[rows.K1], room[rows.K2], room[rows.K3], room[rows.K4]
    k5, k6, k7, k8 = room[rows.K5], room[rows.K6], room[rows.K7], room[rows.K8]
    size = n * lanes
    for i in range(n):
        for k in range(lanes):
            per_h[i * lanes + k] = 1.0 / h[k]
            w[i * lanes + k] = p[k]
    for j in range(size):
        weight[j] = math.sqrt(invariant[j] * invariant[j] + 4.0 * logits[j] * logits[j])
    for j in range(size):
        # a W^(r-1) = p - rate, so that the power need not be taken again.
        bend = power[j] * (w[j] - rate[j]) * weight[j] / (logits[j] if logits[j] > 0.0 else 1.0)
        diagonal = per_h[j] / GAMMA + (bend if logits[j] > 0.0 else 0.0)
        inverse[j] = 0.0 if parked[j] > 0.0 else 1.0 / (diagonal if diagonal != 0.0 else 1e-300)
    for j in range(size):
        share[j] = weight[j] * inverse[j]
    for k in range(lanes):
        pull[k] = 0.0
    for i in range(n):
        for k in range(lanes):
            pull[k] += share[i * lanes + k]
    for k in range(lanes):
        rho = p[k] * (1.0 - p[k])
        pull[k] = rho / (1.0 + rho * pull[k])

    solve_linear(rate, n, lanes, room, k1)
    for j in range(size):
        y[j] = theta[j] + 3.0 * k1[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        rhs[j] += per_h[j] * (-14.155112264123755 * k1[j])
    solve_linear(rhs, n, lanes, room, k2)
    for j in range(size):
        y[j] = theta[j] + 2.849394379747939 * k1[j] + 0.45842242204463923 * k2[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        rhs[j] += per_h[j] * (-17.97296035885952 * k1[j] - 2.859693295451294 * k2[j])
    solve_linear(rhs, n, lanes, room, k3)
    for j in range(size):
        y[j] = theta[j] - 6.954028509809101 * k1[j] + 2.489845061869568 * k2[j] - 10.358996098473584 * k3[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        rhs[j] += per_h[j] * (147.12150275711716 * k1[j] - 1.41221402718213 * k2[j] + 71.68940251302358 * k3[j])
    solve_linear(rhs, n, lanes, room, k4)
    for j in range(size):
        y[j] = theta[j] + 2.8029986275628964 * k1[j] + 0.5072464736228206 * k2[j]
        y[j] += -0.3988312541770524 * k3[j] - 0.04721187230404641 * k4[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        push = 165.43517024871676 * k1[j] - 0.4592823456491126 * k2[j]
        push += 42.90938336958603 * k3[j] - 5.961986721573306 * k4[j]
        rhs[j] += per_h[j] * push
    solve_linear(rhs, n, lanes, room, k5)
    for j in range(size):
        y[j] = theta[j] - 7.502846399306121 * k1[j] + 2.561846144803919 * k2[j] - 11.627539656261098 * k3[j]
        y[j] += -0.18268767659942256 * k4[j] + 0.030198172008377946 * k5[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        push = 24.854864614690072 * k1[j] - 3.0009227002832186 * k2[j] + 47.4931110020768 * k3[j]
        push += 5.5814197821558125 * k4[j] - 0.6610691825249471 * k5[j]
        rhs[j] += per_h[j] * push
    solve_linear(rhs, n, lanes, room, k6)
    for j in range(size):
        y[j] += k6[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        push = 30.91273214028599 * k1[j] - 3.1208243349937974 * k2[j] + 77.79954646070892 * k3[j]
        push += 34.28646028294783 * k4[j] - 19.097331116725623 * k5[j] - 28.087943162872662 * k6[j]
        rhs[j] += per_h[j] * push
    solve_linear(rhs, n, lanes, room, k7)
    for j in range(size):
        y[j] += k7[j]
    rates(y, n, lanes, room, w, q, rhs)
    for j in range(size):
        push = 37.80277123390563 * k1[j] - 3.2571969029072276 * k2[j] + 112.26918849496327 * k3[j]
        push += 66.9347231244047 * k4[j] - 40.06618937091002 * k5[j] - 54.66780262877968 * k6[j]
        rhs[j] += per_h[j] * (push - 9.48861652309627 * k7[j])
    solve_linear(rhs, n, lanes, room, k8)

    for j in range(size):
        end[j] = y[j] + k8[j]
        # Below s² a logit is s² θ, and beyond it its logarithm is 2 θ.
        stretch = weight[j] / (1.0 + 2.0 * logits[j])
        rhs[j] = abs(k8[j]) * (stretch if stretch > 1.0 else 1.0)
    for k in range(lanes):
        error[k] = 0.0
    for i in range(n):
        for k in range(lanes):
            # The negation lets nan through.
            error[k] = error[k] if rhs[i * lanes + k] <= error[k] else rhs[i * lanes + k]


@jit
def dense(k: int, n: int, lanes: int, room: Vector) -> None:
    """D1..D3, the dense output of the step that lane k has just made: wanted in few steps, so not part of each."""
    k1, k2, k3, k4 = room[rows.K1], room[rows.K2], room[rows.K3], room[rows.K4]
    k5, k6, k7, k8 = room[rows.K5], room[rows.K6], room[rows.K7], room[rows.K8]
    for i in range(n):
        j = i * lanes + k
        d1 = 25.948786856663858 * k1[j] - 2.5579724845846235 * k2[j] + 10.433815404888879 * k3[j]
        d1 += -2.3679251022685204 * k4[j] + 0.524948541321073 * k5[j] + 1.1241088310450404 * k6[j]
        d2 = -9.91568850695171 * k1[j] - 0.9689944594115154 * k2[j] + 3.0438037242978453 * k3[j]
        d2 += -24.495224566215796 * k4[j] + 20.176138334709044 * k5[j] + 15.98066361424651 * k6[j]
        d3 = 11.419903575922262 * k1[j] + 2.8879645146136994 * k2[j] + 72.92137995996029 * k3[j]
        d3 += 80.12511834622643 * k4[j] - 52.072871366152654 * k5[j] - 59.78993625266729 * k6[j]
        room[rows.D1][j] = d1 + 0.4272876194431874 * k7[j] - 0.17202221070155493 * k8[j]
        room[rows.D2][j] = d2 - 6.789040303419874 * k7[j] - 6.710236069923372 * k8[j]
        room[rows.D3][j] = d3 - 0.15582684282751913 * k7[j] + 4.883087185713722 * k8[j]


@jit
def theta_inside(x: float, j: int, start: Vector, room: Vector) -> float:
    """Dense output of entry j at a fraction x of the step that began at `start` (a row); `dense` prepares."""
    rest = 1.0 - x
    bent = room[rows.D1][j] + x * (room[rows.D2][j] + x * room[rows.D3][j])
    theta: float = rest * start[j] + x * (room[rows.END][j] + rest * bent)
    return theta


@jit
def logits_inside(x: float, k: int, n: int, lanes: int, room: Vector, out: Vector) -> None:
    """Logits (n,) of lane k at a fraction x of the step just taken."""
    for i in range(n):
        j = i * lanes + k
        out[i] = room[rows.LEAST][j]
        if room[rows.PARKED][j] == 0.0:
            theta = theta_inside(x, j, room[rows.START], room)
            out[i] = max(out[i], logit_of(theta, room[rows.INVARIANT][j]))
