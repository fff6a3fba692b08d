"""Writes the README's numbers and gallery: `python -m figures.readme`.  `--check` only says whether they are current.

Sources: tests/benchmarks/results/*.json for speed, figures/data/validate/*/verdicts.md for verdicts, figures/gallery for
pictures and their captions, and the toy model itself for what it says.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import toymodel as tm

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "tests" / "benchmarks" / "results"


def load(name: str) -> dict[str, Any]:
    """A benchmark's saved result."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"{path.relative_to(ROOT)} is missing. Make it with `make bench`.")
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def between(values: dict[str, float], digits: int = 3, scale: float = 1.0) -> str:
    """Median (least to greatest, n)."""
    middle, low, high = (f"{scale * values[key]:.{digits}g}" for key in ("median", "min", "max"))
    return f"{middle} ({low} to {high}, n = {values['n']})"


def speed() -> str:
    """The table of benchmarks."""
    toy = load("toymodel")
    p, t, g = toy["provenance"], toy["throughput"], toy["growth"]
    rows = [
        ("`import toymodel`, seconds", between(toy["imports"]["seconds"])),
        ("first `simulate()` after import, ms", between(toy["default_simulation"]["first_call_seconds"], 3, 1e3)),
        ("later `simulate()`, ms", between(toy["default_simulation"]["seconds"], 3, 1e3)),
        ("`sweep` against LSODA, throughput ratio", f"**{between(t['ratio_all_cores'])}**"),
        ("the same on one thread", between(t["ratio_one_thread"])),
        ("`sweep`, microseconds a point", between(t["microseconds_per_point"])),
        ("its largest error in a final logit, nats", f"{t['logit_error']['quantile_1']:.1e} (LSODA's: "
         f"{t['logit_error_independent']['baseline_max']:.1e})"),
        ("256 × 256 phase diagram, seconds", between(toy["phase_diagram"]["seconds"])),
    ]  # fmt: skip
    if (RESULTS / "diffrax.json").exists():
        other = load("diffrax")
        for name in ("Kvaerno5", "Tsit5"):
            row = other[name]
            rows.append((f"`sweep` against diffrax {other['provenance']['versions']['diffrax']} ({name}, vmapped, "
                         f"tolerance {row['rtol_and_atol']:g}, error {row['logit_error_max']:.0e})",
                         between(row["sweep_is_times_faster"])))  # fmt: skip
    table = "| measured | median (range) |\n| --- | --- |\n" + "\n".join(f"| {a} | {b} |" for a, b in rows)

    def cost(axis: str) -> str:
        return ", ".join(f"{key}: {value['median']:.3g}" for key, value in g[axis].items())

    versions = ", ".join(f"{k} {v}" for k, v in p["versions"].items())
    return (
        f"{table}\n\nBaseline: {t['baseline']}; {t['grid']}. The largest error is over all {64 * 64} points against "
        f"{t['logit_error']['against']}. {p['processor']}, {p['cores']} cores, Python {p['python']}, {versions}.\n\n"
        f"Microseconds a point: by number of points {cost('points')}; by circuits {cost('circuits')}; by 2 − κ "
        f"{cost('two_minus_kappa')}."
    )


def networks() -> str:
    """realnet against a plain loop, and what its reference runs show."""
    ratios = load("realnet")["ratio"]
    env = ratios["environment"]
    rows = [
        "| case | against the faster plain loop, per run-step | of the matrix-product rate |",
        "| --- | --- | --- |",
    ]
    for size in ("small", "paper"):
        for threads in (2, 1):
            case = ratios[f"{size}, {threads} threads"]
            c = case["config"]
            name = (
                f"p = {c['p']}, {c['d_model']}/{c['d_mlp']}, D = {c['D']}, {case['runs']} runs, {threads} thread"
                + "s" * (threads > 1)
            )
            rows.append(f"| {name} | {between(case['ratio'])} | {case['fraction_of_matmul_rate']['realnet']:.2f} |")
    about = (
        f"Both sides with the same threads; {env['processor']}, {env['cores']} cores, torch {env['versions']['torch']}."
    )
    return "\n".join(rows) + f"\n\n{about}"


def findings() -> str:
    """What the defaults give, computed here."""
    model = tm.TwoCircuitModel()
    run, end = tm.simulate(model), tm.steady_state(model)
    grok, ungrok = tm.grokking_time(model), tm.ungrokking_time(model)
    split = tm.TwoCircuitModel(gen=tm.Circuit(1.0, 0.05), kappa=2.5, logit_floor=1e-3)
    limits = tm.stability_limits(split)
    lines = [
        f"- The paper's simulation groks: it fits at t = {run.t_fit:.3g}, Gen takes the lead at {run.t_cross:.4g}, and it "
        f"generalises at {run.t_gen:.4g}. Its steady state has logits {end.gen_logit:.6g} and {end.mem_logit:.6g}: ratio "
        f"{end.gen_logit / end.mem_logit:.6g}, as (η_gen/η_mem)^(2κ/(2−κ)) demands.",
        f"- The closed form for the grokking time, asinh(2W/s²)/(2p*), is {grok.error():+.0%} off; an adiabatic integral, "
        f"which also counts the rival's penalty and its head start, is {grok.error('adiabatic'):+.1%} off. For ungrokking "
        f"the same two are {ungrok.error():+.0%} and {ungrok.error('adiabatic'):+.1%} off.",
        f"- For κ < 2 the thresholds of ungrokking and of grokking from scratch meet in time. For κ > 2 they need not: at "
        f"κ = 2.5, with a floor of 0.001 nats, a network of Gen alone stays down to D = {limits.gen_below:.0f} and one of "
        f"Mem alone up to D = {limits.mem_above:.0f}, with D_crit = {tm.critical_dataset_size(split):.0f} between them.",
    ]
    return "\n".join(lines)


def section(profile: str, heading: str) -> str:
    """One section of a profile's saved verdicts."""
    path = ROOT / "figures" / "data" / "validate" / profile / "verdicts.md"
    if not path.exists():
        raise SystemExit(f"{path.relative_to(ROOT)} is missing. Make it with `make data`.")
    parts = re.split(r"^## (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading].strip()


def verdicts() -> str:
    """The larger profile's verdicts in full, the smaller one's folded away."""
    return (
        f"{section('standard', 'Verdicts')}\n\n<details><summary>The same from `quick`, the twelve minutes of `make demo`"
        f"</summary>\n\n{section('quick', 'Verdicts')}\n\n</details>"
    )


def wrong() -> str:
    """Every number that was refuted."""
    return section("standard", "What the theory gets wrong")


def gallery() -> str:
    """Every picture with its title, the caption folded away."""
    folder = ROOT / "figures" / "gallery"
    parts = []
    for picture in sorted(folder.glob("*.png")):
        text = json.loads(picture.with_suffix(".json").read_text())
        title, caption = text["title"], text["caption"]
        parts.append(
            f"![{title}](figures/gallery/{picture.name})\n\n<details><summary>{title}</summary>\n\n{caption}\n\n</details>"
        )
    return "\n\n".join(parts)


BLOCKS = {
    "verdicts": verdicts,
    "wrong": wrong,
    "findings": findings,
    "speed": speed,
    "networks": networks,
    "gallery": gallery,
}


def render(text: str) -> str:
    """`text` with every marked block written anew."""
    for name, make in BLOCKS.items():
        pattern = rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)"
        text = re.sub(pattern, lambda m, make=make: f"{m[1]}{make()}\n{m[2]}", text, flags=re.DOTALL)
    return text


def main(arguments: list[str]) -> None:
    """Writes README.md; with --check, fails if that would change it."""
    old = README.read_text(encoding="utf-8")
    new = render(old)
    if "--check" in arguments and new != old:
        raise SystemExit("README.md is not what its sources say. Run `python -m figures.readme`.")
    if new != old:
        scratch = README.with_suffix(".tmp")
        scratch.write_text(new, encoding="utf-8")
        scratch.replace(README)


if __name__ == "__main__":
    main(sys.argv[1:])
