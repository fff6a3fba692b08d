"""One step of Rodas5P in the mirror coordinate, O(n): model.md (3.6), (3.7).

Rodas5P is an L-stable Rosenbrock-Wanner method of order 5 in eight stages, with an embedded method of order 4 for the
error and a dense output of order 4.  Coefficients: Steinebach 2023, "Construction of Rosenbrock-Wanner method Rodas5P
and numerical benchmarks within the Julia Differential Equations package", BIT 63:27, doi 10.1007/s10543-023-00967-x.
"""

import math
from collections.abc import Sequence

from . import jit
from .equations import Vector, logit_of, slopes, solve

GAMMA = 0.21193756319429014


@jit
def step(
    theta: Vector,
    logits: Vector,
    rate: Vector,
    p: float,
    h: float,
    parked: Vector,
    invariant: Vector,
    slope: Vector,
    least: Vector,
    r: float,
    log_rivals: float,
    each: Sequence[int],
    end: Vector,
    d1: Vector,
    d2: Vector,
    d3: Vector,
    room: Vector,
) -> float:
    """Steps from theta, whose logits, rate and p are given, to `end`; d1..d3 receive the dense output.

    Returns the error, in ln(1 + W): that is s^2 theta for W << s^2 and 2 theta beyond it.  `room`: 11 vectors.
    """
    inverse, weight, rhs, y, w = room[0], room[1], room[2], room[3], room[4]
    k1, k2, k3, k4, k5, k6 = room[5], room[6], room[7], room[8], room[9], room[10]
    k7, k8 = d1, d2
    per_h = 1.0 / h
    rho = p * (1.0 - p)
    across = 0.0
    for i in range(len(each)):
        if not parked[i]:
            weight[i] = math.sqrt(invariant[i] * invariant[i] + 4.0 * logits[i] * logits[i])
            # a W^(r-1) = p - rate, so that the power need not be taken again.
            bend = (r - 1.0) * (p - rate[i]) * weight[i] / logits[i] if logits[i] > 0.0 else 0.0
            inverse[i] = 1.0 / (per_h / GAMMA + bend)
            across += weight[i] * inverse[i]
    pull = rho / (1.0 + rho * across)

    solve(inverse, weight, pull, rate, parked, each, k1)
    for i in range(len(each)):
        y[i] = theta[i] + 3.0 * k1[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        rhs[i] += per_h * (-14.155112264123755 * k1[i])
    solve(inverse, weight, pull, rhs, parked, each, k2)
    for i in range(len(each)):
        y[i] = theta[i] + 2.849394379747939 * k1[i] + 0.45842242204463923 * k2[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        rhs[i] += per_h * (-17.97296035885952 * k1[i] - 2.859693295451294 * k2[i])
    solve(inverse, weight, pull, rhs, parked, each, k3)
    for i in range(len(each)):
        y[i] = theta[i] - 6.954028509809101 * k1[i] + 2.489845061869568 * k2[i] - 10.358996098473584 * k3[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        rhs[i] += per_h * (147.12150275711716 * k1[i] - 1.41221402718213 * k2[i] + 71.68940251302358 * k3[i])
    solve(inverse, weight, pull, rhs, parked, each, k4)
    for i in range(len(each)):
        y[i] = theta[i] + 2.8029986275628964 * k1[i] + 0.5072464736228206 * k2[i]
        y[i] += -0.3988312541770524 * k3[i] - 0.04721187230404641 * k4[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        push = 165.43517024871676 * k1[i] - 0.4592823456491126 * k2[i]
        push += 42.90938336958603 * k3[i] - 5.961986721573306 * k4[i]
        rhs[i] += per_h * push
    solve(inverse, weight, pull, rhs, parked, each, k5)
    for i in range(len(each)):
        y[i] = theta[i] - 7.502846399306121 * k1[i] + 2.561846144803919 * k2[i] - 11.627539656261098 * k3[i]
        y[i] += -0.18268767659942256 * k4[i] + 0.030198172008377946 * k5[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        push = 24.854864614690072 * k1[i] - 3.0009227002832186 * k2[i] + 47.4931110020768 * k3[i]
        push += 5.5814197821558125 * k4[i] - 0.6610691825249471 * k5[i]
        rhs[i] += per_h * push
    solve(inverse, weight, pull, rhs, parked, each, k6)
    for i in range(len(each)):
        y[i] += k6[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        push = 30.91273214028599 * k1[i] - 3.1208243349937974 * k2[i] + 77.79954646070892 * k3[i]
        push += 34.28646028294783 * k4[i] - 19.097331116725623 * k5[i] - 28.087943162872662 * k6[i]
        rhs[i] += per_h * push
    solve(inverse, weight, pull, rhs, parked, each, k7)
    for i in range(len(each)):
        y[i] += k7[i]
    slopes(y, parked, invariant, slope, least, r, log_rivals, each, w, rhs)
    for i in range(len(each)):
        push = 37.80277123390563 * k1[i] - 3.2571969029072276 * k2[i] + 112.26918849496327 * k3[i]
        push += 66.9347231244047 * k4[i] - 40.06618937091002 * k5[i] - 54.66780262877968 * k6[i]
        rhs[i] += per_h * (push - 9.48861652309627 * k7[i])
    solve(inverse, weight, pull, rhs, parked, each, k8)

    error = 0.0
    for i in range(len(each)):
        end[i] = y[i] + k8[i]
        if not parked[i]:
            size = abs(k8[i]) * max(1.0, weight[i] / (1.0 + 2.0 * logits[i]))
            if not size <= error:  # also true of nan
                error = size
        c7 = k7[i]
        c8 = k8[i]
        d1[i] = 25.948786856663858 * k1[i] - 2.5579724845846235 * k2[i] + 10.433815404888879 * k3[i]
        d1[i] += -2.3679251022685204 * k4[i] + 0.524948541321073 * k5[i] + 1.1241088310450404 * k6[i]
        d1[i] += 0.4272876194431874 * c7 - 0.17202221070155493 * c8
        d2[i] = -9.91568850695171 * k1[i] - 0.9689944594115154 * k2[i] + 3.0438037242978453 * k3[i]
        d2[i] += -24.495224566215796 * k4[i] + 20.176138334709044 * k5[i] + 15.98066361424651 * k6[i]
        d2[i] += -6.789040303419874 * c7 - 6.710236069923372 * c8
        d3[i] = 11.419903575922262 * k1[i] + 2.8879645146136994 * k2[i] + 72.92137995996029 * k3[i]
        d3[i] += 80.12511834622643 * k4[i] - 52.072871366152654 * k5[i] - 59.78993625266729 * k6[i]
        d3[i] += -0.15582684282751913 * c7 + 4.883087185713722 * c8
    return error


@jit
def inside(x: float, start: float, end: float, d1: float, d2: float, d3: float) -> float:
    """Dense output at a fraction x of the step."""
    rest = 1.0 - x
    return rest * start + x * (end + rest * (d1 + x * (d2 + x * d3)))


@jit
def logits_inside(
    x: float,
    start: Vector,
    end: Vector,
    d1: Vector,
    d2: Vector,
    d3: Vector,
    parked: Vector,
    invariant: Vector,
    least: Vector,
    each: Sequence[int],
    out: Vector,
) -> None:
    """Logits at a fraction x of the step."""
    for i in range(len(each)):
        out[i] = least[i]
        if not parked[i]:
            theta = inside(x, start[i], end[i], d1[i], d2[i], d3[i])
            out[i] = max(least[i], logit_of(theta, invariant[i]))
