"""Molecules and their polarisability, as measured: the organic compounds of the package chemicals, as graphs by rdkit.

It stands in for QM9 in Liu et al. 2022 (arXiv 2210.01117, fig. 5): structures without conformers, measured refractive
index and density in the place of a calculation. Lorentz-Lorenz: polarisability = 3/(4 pi N_A) (n^2-1)/(n^2+2) M/rho.
"""

from __future__ import annotations

import csv
import functools
import importlib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from realnet.fields import ConfigError, require
from realnet.tasks.files import FULL_DATA, damaged, folder_file, package_file
from realnet.tasks.task import DATA, Task

__all__ = ["molecules", "polarisability"]

ELEMENTS = ("H", "C", "N", "O", "F")
AVOGADRO = 6.02214076e23  # 1/mol
BOHR = 0.529177210903  # ångström
ATOM_FEATURES, BOND_KINDS = 11, 4


def polarisability(refractive_index: float, molar_mass: float, density: float) -> float:
    """Mean polarisability in cubic ångström, from g/mol and g/cm^3 (Lorentz-Lorenz); 1 cm^3 = 1e24 cubic ångström."""
    squared = refractive_index**2
    return 3 / (4 * math.pi * AVOGADRO) * (squared - 1) / (squared + 2) * molar_mass / density * 1e24


def molecules(
    seed: int,
    examples: int = 1000,
    max_atoms: int = 9,
    test: int | None = None,
    tolerance: float | None = None,
    qm9_folder: str | None = None,
) -> Task:
    """Graphs of molecules of C, H, N, O and F with at most `max_atoms` heavy atoms, and their polarisability in ångström^3.

    Inputs: atoms [examples, max_atoms, 11] (element, neighbours, hydrogens, aromatic, in a ring, charge; 0 where there is
    no atom) and bonds [examples, max_atoms, max_atoms, 4] (single, double, triple, aromatic). The choice is seeded.
    `test` examples are kept for judging, half of them by default. qm9_folder: with gdb9.sdf and gdb9.sdf.csv, used
    instead; the few molecules whose valences rdkit refuses are left out. Errors: ConfigError for missing packages or
    files, a damaged one, a molecule that cannot be read, or more examples than there are.
    """
    whole = isinstance(max_atoms, int) and max_atoms >= 1
    require(whole, "max_atoms must be an integer, at least 1", max_atoms, "QM9's own limit is 9.")
    atoms, bonds, values = _graphs(max_atoms, qm9_folder)
    fits = 2 <= examples <= len(values)
    require(fits, f"examples must be 2 .. {len(values)} of {max_atoms} heavy atoms", examples, "Choose another number.")
    chosen = np.random.default_rng([seed, DATA]).permutation(len(values))[:examples]
    kept = examples // 2 if test is None else test
    return Task((atoms[chosen], bonds[chosen]), values[chosen, None], test=kept, tolerance=tolerance)


@functools.lru_cache(maxsize=1)
def _measured() -> list[tuple[str, float]]:
    """SMILES and polarisability of the compounds whose refractive index and density were measured."""
    constants = package_file("chemicals", "chemicals", "Misc", "Physical Constants of Organic Compounds.csv")
    names = [
        package_file("chemicals", "chemicals", "Identifiers", f"chemical identifiers pubchem {size}.tsv")
        for size in ("small", "large")
    ]
    try:
        with constants.open(encoding="utf-8", newline="") as file:
            rows = {r["CAS"]: r for r in csv.DictReader(file, delimiter="\t") if r["RI"] and r["rho"]}
        found = {}
        for path in names:
            with path.open(encoding="utf-8") as file:
                for line in file:
                    _, cas, _, mass, smiles, *_ = line.split("\t", 5)
                    if cas in rows and cas not in found:
                        density = float(rows[cas]["rho"]) / 1000  # kg/m^3 to g/cm^3
                        found[cas] = smiles, polarisability(float(rows[cas]["RI"]), float(mass), density)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise damaged(constants, repr(error)) from error
    if len(found) < 1000:
        raise damaged(constants, f"{len(found)} compounds with refractive index and density")
    return list(found.values())


def _chemistry() -> Any:
    try:
        log: Any = importlib.import_module("rdkit.RDLogger")
        log.DisableLog("rdApp.*")
        return importlib.import_module("rdkit.Chem")
    except ImportError as error:
        command = "Run: python -m pip install rdkit (or all data: pip install 'two-circuits[data]')."
        raise ConfigError(f"molecules need the package rdkit; received {str(error)!r}. {command}") from error


def _structures() -> Iterable[tuple[Any, float]]:
    chemistry = _chemistry()
    for smiles, value in _measured():
        molecule = chemistry.MolFromSmiles(smiles)
        if molecule is None:
            raise ConfigError(
                f"a molecule must be SMILES that rdkit reads; received {smiles!r}. Install chemicals again."
            )
        yield molecule, value


def _qm9(folder: str) -> Iterable[tuple[Any, float]]:
    chemistry = _chemistry()
    shapes, table = (folder_file("molecules", folder, name) for name in FULL_DATA["molecules"][1:])
    try:
        with table.open(encoding="utf-8", newline="") as file:
            values = [float(row["alpha"]) * BOHR**3 for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise damaged(table, repr(error)) from error
    try:
        read = chemistry.SDMolSupplier(str(shapes), sanitize=False, removeHs=False)
    except OSError as error:
        raise damaged(shapes, error) from error
    if len(read) != len(values) or not values:
        raise damaged(shapes, f"{len(read)} molecules for the {len(values)} values of {table.name}")
    for number, (molecule, value) in enumerate(zip(read, values, strict=True), 1):
        if molecule is None:
            raise damaged(shapes, f"a molecule that rdkit cannot read, number {number}")
        if chemistry.SanitizeMol(molecule, catchErrors=True) == chemistry.SanitizeFlags.SANITIZE_NONE:
            yield chemistry.RemoveHs(molecule), value


@functools.lru_cache(maxsize=4)
def _graphs(max_atoms: int, folder: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    atoms, bonds, values = [], [], []
    for molecule, value in _structures() if folder is None else _qm9(folder):
        if not 0 < molecule.GetNumAtoms() <= max_atoms or not math.isfinite(value):
            continue
        if any(atom.GetSymbol() not in ELEMENTS for atom in molecule.GetAtoms()):
            continue
        nodes, edges = _graph(molecule, max_atoms)
        atoms.append(nodes)
        bonds.append(edges)
        values.append(value)
    return np.array(atoms, np.float32), np.array(bonds, np.float32), np.array(values)


def _graph(molecule: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, edges = np.zeros((size, ATOM_FEATURES)), np.zeros((size, size, BOND_KINDS))
    for i, atom in enumerate(molecule.GetAtoms()):
        nodes[i, ELEMENTS.index(atom.GetSymbol())] = 1
        ring = float(atom.IsInRing())
        nodes[i, 5:10] = (
            atom.GetDegree(),
            atom.GetTotalNumHs(),
            float(atom.GetIsAromatic()),
            ring,
            atom.GetFormalCharge(),
        )
        nodes[i, 10] = 1  # there is an atom
    for bond in molecule.GetBonds():
        i, j, order = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bond.GetBondTypeAsDouble()
        edges[i, j, {1.0: 0, 2.0: 1, 3.0: 2, 1.5: 3}[order]] = edges[j, i, {1.0: 0, 2.0: 1, 3.0: 2, 1.5: 3}[order]] = 1
    return nodes, edges
