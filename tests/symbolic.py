"""The referee: sympy derives the equations of toymodel/README.md from the losses and the norms alone.

Each function returns expressions, or an expression that must be 0.  Symbols are positive unless said otherwise.
"""

import sympy as sp

u, v, s, lam = sp.symbols("u v s lambda", positive=True)
kappa, alpha, eta, q, m = sp.symbols("kappa alpha eta q m", positive=True)
W, S, theta, t = sp.symbols("W S theta t", positive=True)


def some(name: str, n: int) -> tuple[sp.Symbol, ...]:
    """name1, name2, ... positive."""
    return sp.symbols(f"{name}1:{n + 1}", positive=True)


def train_loss(total: sp.Expr) -> sp.Expr:
    """(2.1)"""
    return sp.log(1 + (q - 1) * sp.exp(-total))


def test_loss(gen: sp.Expr, mem: sp.Expr) -> sp.Expr:
    """(2.2) cross-entropy with logit `gen` on the right label, `mem` on one wrong label and 0 on the other q - 2."""
    return sp.log((sp.exp(gen) + sp.exp(mem) + q - 2) / sp.exp(gen))


def wrong_probability(total: sp.Expr = S) -> sp.Expr:
    """(2.4) -dL/dS, differentiated."""
    return sp.simplify(-sp.diff(train_loss(S), S)).subs(S, total)


def norm(logits: tuple[sp.Expr, ...], efficiencies: tuple[sp.Expr, ...]) -> sp.Expr:
    """(2.3) ‖w‖ = (Σ P^m)^(1/m) with P = W^(1/κ)/η."""
    return sum((w ** (1 / kappa) / e) ** m for w, e in zip(logits, efficiencies, strict=True)) ** (1 / m)


def penalty(logits: tuple[sp.Expr, ...], efficiencies: tuple[sp.Expr, ...], factor: sp.Expr | None = None) -> sp.Expr:
    """(2.3) factor α ‖w‖^m; factor 1/2 ("half") by default."""
    return (sp.Rational(1, 2) if factor is None else factor) * alpha * norm(logits, efficiencies) ** m


def pushes(
    logits: tuple[sp.Expr, ...], efficiencies: tuple[sp.Expr, ...], factor: sp.Expr | None = None
) -> list[sp.Expr]:
    """(3.1) dR/dW_i, differentiated."""
    return [sp.diff(penalty(logits, efficiencies, factor), w) for w in logits]


def gradient(logits: tuple[sp.Symbol, ...], efficiencies: tuple[sp.Symbol, ...]) -> list[sp.Expr]:
    """(3.1) ∂(L + R)/∂W_i."""
    total = train_loss(sum(logits)) + penalty(logits, efficiencies)
    return [sp.diff(total, w) for w in logits]


def invariant_drift() -> sp.Expr:
    """(3.4) d(v² - u²)/dt under (3.2), for any g: 0."""
    g = sp.Symbol("g", real=True)
    return sp.expand(2 * v * (-g * u) - 2 * u * (-g * v))


def descent_factor() -> sp.Expr:
    """(3.4) (v² - u²) after a step of (3.3), over (v² - u²) before: 1 - λ² g²."""
    g = sp.Symbol("g", real=True)
    after_u, after_v = u - lam * g * v, v - lam * g * u
    return sp.factor(sp.simplify((after_v**2 - after_u**2) / (v**2 - u**2)))


def closed_flow() -> sp.Expr:
    """(3.5) dW/dt by (3.2) less -g √(s⁴ + 4W²), on v² = u² + s²: 0."""
    g = sp.Symbol("g", real=True)
    rate = (-g * v) * v + u * (-g * u)
    on_shell = {v: sp.sqrt(u**2 + s**2)}
    mobility = sp.sqrt(sp.factor((s**4 + 4 * (u * v) ** 2).subs(on_shell)))
    return sp.simplify(rate.subs(on_shell) + g * mobility)


def mirror_rate() -> sp.Expr:
    """(3.6) dθ/dW √(s⁴ + 4W²) for θ = ½ asinh(2W/s²): 1, so that dθ/dt = -g."""
    return sp.simplify(sp.diff(sp.asinh(2 * W / s**2) / 2, W) * sp.sqrt(s**4 + 4 * W**2))


def rates(n: int) -> tuple[list[sp.Expr], tuple[sp.Symbol, ...], tuple[sp.Symbol, ...], tuple[sp.Symbol, ...]]:
    """(3.6) dθ_i/dt = -g_i of n circuits as functions of θ; and θ, s, η."""
    thetas, speeds, efficiencies, logits = some("theta", n), some("s", n), some("eta", n), some("W", n)
    at = {w: c**2 / 2 * sp.sinh(2 * x) for w, c, x in zip(logits, speeds, thetas, strict=True)}
    return [-g.subs(at) for g in gradient(logits, efficiencies)], thetas, speeds, efficiencies


def jacobian(n: int = 3) -> sp.Matrix:
    """(3.7) d(dθ/dt)/dθ, differentiated."""
    out, thetas, _, _ = rates(n)
    return sp.Matrix(out).jacobian(sp.Matrix(thetas))


def euler(n: int = 3) -> sp.Expr:
    """(4.1) W·∇R less (m/κ) R: 0."""
    logits, efficiencies = some("W", n), some("eta", n)
    total = sum(w * g for w, g in zip(logits, pushes(logits, efficiencies), strict=True))
    return sp.simplify(total / penalty(logits, efficiencies) - m / kappa)


def ratio_exponent() -> sp.Expr:
    """(4.1), (4.4), theorem D.4: χ = d ln(W_2/W_1) / d ln(η_2/η_1) where the pushes are equal."""
    x, y = sp.symbols("x y", real=True)  # ln of the ratios of logits and of efficiencies
    logits, efficiencies = some("W", 2), some("eta", 2)
    at = {logits[0]: 1, logits[1]: sp.exp(x), efficiencies[0]: 1, efficiencies[1]: sp.exp(y)}
    one, two = (sp.simplify(push / penalty(logits, efficiencies)) for push in pushes(logits, efficiencies))
    balance = sp.expand_log(sp.log(sp.simplify(two / one).subs(at)), force=True)
    return sp.simplify(sp.solve(sp.simplify(balance), x)[0] / y)


def sharpness() -> sp.Expr:
    """(5.3) ν = -d ln(W_mem/W_gen)/d ln D for η_mem/η_gen = (D/D_crit)^(-β)."""
    return sp.simplify(sp.Symbol("beta", positive=True) * ratio_exponent())


def second_variation() -> sp.Expr:
    """(4.2) why κ >= m is winner takes all: ‖w‖^m of sharing a total S, x S and (1-x) S, twice differentiated in x.

    It has the sign of (m/κ)(m/κ - 1): negative for κ > m, so that a shared state is a maximum of the penalty.
    """
    x = sp.Symbol("x", positive=True)
    return sp.factor(sp.simplify(sp.diff(norm((x * S, (1 - x) * S), some("eta", 2)) ** m, x, 2)))
