"""The referee: sympy derives the equations of model.md from the losses alone.  Nothing here is used to compute.

Each function returns expressions, or an expression that must be 0.  Symbols are positive unless said otherwise.
"""

import sympy as sp

u, v, s, lam = sp.symbols("u v s lambda", positive=True)
kappa, alpha, eta, q, m, r, a = sp.symbols("kappa alpha eta q m r a", positive=True)
W, S, theta, t = sp.symbols("W S theta t", positive=True)


def train_loss(total: sp.Expr) -> sp.Expr:
    """(2.1)"""
    return sp.log(1 + (q - 1) * sp.exp(-total))


def wrong_probability(total: sp.Expr = S) -> sp.Expr:
    """(2.4) -dL/dS, differentiated."""
    return sp.simplify(-sp.diff(train_loss(S), S)).subs(S, total)


def penalty(logit: sp.Expr, efficiency: sp.Expr = eta, factor: sp.Expr | None = None) -> sp.Expr:
    """(2.3) factor α P^m with P = W^(1/κ)/η; factor 1/2 ("half") by default."""
    return (sp.Rational(1, 2) if factor is None else factor) * alpha * (logit ** (1 / kappa) / efficiency) ** m


def penalty_slope(factor: sp.Expr | None = None) -> sp.Expr:
    """(3.1) the coefficient a in dR/dW = a W^(m/κ - 1), differentiated."""
    return sp.simplify(sp.diff(penalty(W, factor=factor), W) / W ** (m / kappa - 1))


def gradient(logits: list[sp.Symbol], slopes: list[sp.Symbol]) -> list[sp.Expr]:
    """(3.1) ∂(L + R)/∂W_i with R = Σ a_i W_i^r / r."""
    total = train_loss(sum(logits)) + sum(b * w**r / r for w, b in zip(logits, slopes, strict=True))
    return [sp.diff(total, w) for w in logits]


def invariant_drift() -> sp.Expr:
    """(3.4) d(v² - u²)/dt under (3.2), for any g: 0."""
    g = sp.Symbol("g", real=True)
    du, dv = -g * v, -g * u
    return sp.expand(2 * v * dv - 2 * u * du)


def descent_factor() -> sp.Expr:
    """(3.4) (v² - u²) after a step of (3.3), over (v² - u²) before: 1 - λ² g²."""
    g = sp.Symbol("g", real=True)
    after_u, after_v = u - lam * g * v, v - lam * g * u
    return sp.factor(sp.simplify((after_v**2 - after_u**2) / (v**2 - u**2)))


def closed_flow() -> sp.Expr:
    """(3.5) dW/dt by (3.2) less -g √(s⁴ + 4W²), on v² = u² + s²: 0."""
    g = sp.Symbol("g", real=True)
    w = u * v
    rate = (-g * v) * v + u * (-g * u)
    on_shell = {v: sp.sqrt(u**2 + s**2)}
    mobility = sp.sqrt(sp.factor((s**4 + 4 * w**2).subs(on_shell)))
    return sp.simplify(rate.subs(on_shell) + g * mobility)


def mirror_rate() -> sp.Expr:
    """(3.6) dθ/dW √(s⁴ + 4W²) for θ = ½ asinh(2W/s²): 1, so that dθ/dt = -g."""
    return sp.simplify(sp.diff(sp.asinh(2 * W / s**2) / 2, W) * sp.sqrt(s**4 + 4 * W**2))


def jacobian(n: int = 3) -> tuple[sp.Matrix, sp.Matrix]:
    """(3.7) d(-g)/dθ of n circuits, differentiated; and the diagonal plus rank-one form it must equal."""
    thetas = sp.symbols(f"theta1:{n + 1}", positive=True)
    speeds, slopes = sp.symbols(f"s1:{n + 1}", positive=True), sp.symbols(f"a1:{n + 1}", positive=True)
    logits = [c**2 / 2 * sp.sinh(2 * x) for c, x in zip(speeds, thetas, strict=True)]
    p = wrong_probability(sum(logits))
    rates = sp.Matrix([p - b * w ** (r - 1) for w, b in zip(logits, slopes, strict=True)])
    mobility = [c**2 * sp.cosh(2 * x) for c, x in zip(speeds, thetas, strict=True)]
    diagonal = sp.diag(*[-b * (r - 1) * w ** (r - 2) * k for b, w, k in zip(slopes, logits, mobility, strict=True)])
    rank_one = -p * (1 - p) * sp.ones(n, 1) * sp.Matrix([mobility])
    return rates.jacobian(sp.Matrix(thetas)), diagonal + rank_one


def steady_ratio() -> sp.Expr:
    """(4.1), theorem D.4: ln(W_2 / W_1) over ln(η_2 / η_1) where a_1 W_1^(r-1) = a_2 W_2^(r-1): mκ/(m - κ)."""
    eta1, eta2, w1 = sp.symbols("eta1 eta2 W1", positive=True)
    slope1, slope2 = (penalty_slope().subs(eta, e) for e in (eta1, eta2))
    # a_1 W_1^(r-1) = a_2 W_2^(r-1) is linear in ln W_2.
    log_w2 = sp.log(w1) + (sp.log(slope1) - sp.log(slope2)) / (m / kappa - 1)
    gap = sp.expand_log(log_w2 - sp.log(w1), force=True)
    return sp.simplify(gap / sp.expand_log(sp.log(eta2 / eta1), force=True))


def second_variation() -> sp.Expr:
    """Theorem D.4, why κ >= m is winner takes all: the penalty of sharing a total S, x S and (1-x) S, twice
    differentiated in x.  It has the sign of (m/κ)(m/κ - 1): negative for κ > m, so that a shared state is a maximum."""
    x, b1, b2 = sp.symbols("x b1 b2", positive=True)
    power = m / kappa
    return sp.factor(sp.simplify(sp.diff(b1 * (x * S) ** power + b2 * ((1 - x) * S) ** power, x, 2)))


def sharpness() -> sp.Expr:
    """(5.3) ν = -d ln(W_mem/W_gen)/d ln D for η_mem/η_gen = (D/D_crit)^(-β): β mκ/(m - κ)."""
    beta = sp.Symbol("beta", positive=True)
    return sp.simplify(beta * steady_ratio())


def test_loss(gen: sp.Expr, mem: sp.Expr) -> sp.Expr:
    """(2.2) cross-entropy with logit `gen` on the right label, `mem` on one wrong label and 0 on the other q - 2."""
    return sp.log((sp.exp(gen) + sp.exp(mem) + q - 2) / sp.exp(gen))
