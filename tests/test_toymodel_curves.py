"""Curves from a CSV file, whoever wrote it: columns are guessed and said, empty cells and unequal steps are no matter."""

from pathlib import Path

import numpy as np
import pytest

from toymodel.classify import main
from toymodel.curves import chance_level, read_csv

GROKKING = [(0, 0.01, 0.01), (10, 1, 0.01), (100, 1, 0.01), (1000, 1, 0.95), (1500, 0.985, 0.97), (2000, 1, 0.97)]
# As they are exported: headings, how a run's name or number is written, what stands beside.
FORMATS = {
    "plain": ("step,train_acc,test_acc", "{0},{1},{2}"),
    "wandb history": ("_step,_runtime,train/accuracy,train/loss,val/accuracy", "{0},1.5,{1},,{2}"),
    "keras": ("epoch,accuracy,loss,val_accuracy,val_loss", "{0},{1},0.1,{2},0.2"),
    "lightning": ("val_acc,epoch,step,train_acc_step", "{2},0,{0},{1}"),
    "percent": ("iteration\tTrain Acc (%)\tHeld-out Acc (%)", "{0}\t{3}\t{4}"),
    "excel in German": ("Step;Train Accuracy;Test Accuracy", "{0};{5};{6}"),
    "wandb export": (
        '"Step","s5 - trainAcc","s5 - trainAcc__MIN","s5 - trainAcc__MAX","s5 - evalAcc","s5 - evalAcc__MIN"',
        '"{0}","{1}","0","1","{2}","0"',
    ),
}


def written(path: Path, head: str, line: str, rows: list[tuple[float, float, float]] = GROKKING) -> Path:
    cells = [(t, a, b, 100 * a, 100 * b, str(a).replace(".", ","), str(b).replace(".", ",")) for t, a, b in rows]
    path.write_text("\ufeff" + "\n".join([head, *(line.format(*row) for row in cells)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_all_sorts_give_the_same_run(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "runs.csv", *FORMATS[name])
    (curves,) = read_csv(path).runs.values()
    for which, column in (("train", 1), ("test", 2)):
        np.testing.assert_allclose(np.transpose(curves[f"{which}_accuracy"]), [(r[0], r[column]) for r in GROKKING])
    assert main([str(path), "--classes", "113"]) == 0
    out = capsys.readouterr().out
    assert "grokking" in out.split("\n")[3]
    assert "chance: 1/113" in out
    assert FORMATS[name][0].split(",")[0] in out or name not in ("plain", "wandb history", "keras")


def test_what_was_guessed_is_said_and_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "r.csv", "n,fit,eval_acc,test_acc,wd", "{0},{1},{2},0.5,1")
    assert main([str(path)]) == 2
    assert "--step COLUMN" in capsys.readouterr().err
    assert main([str(path), "--step", "n"]) == 2
    assert "--train COLUMN" in capsys.readouterr().err
    assert main([str(path), "--step", "n", "--train", "fit", "--test", "eval_acc", "--chance", "0.01"]) == 0
    assert "test accuracy: 'eval_acc'" in capsys.readouterr().out
    assert main([str(path), "--step", "steps"]) == 2
    assert "must be a column of r.csv: n, fit" in capsys.readouterr().err


def test_several_runs_of_one_file_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = [f"{seed},{t},{a},{b * (seed == 0)}" for t, a, b in GROKKING for seed in (0, 1)]
    (tmp_path / "long.csv").write_text("\n".join(["seed,step,train_acc,test_acc", *long]))
    wide = ["Step,a - train/acc,a - val/acc,b - train/acc,b - val/acc", *(f"{t},{a},{b},{a},0" for t, a, b in GROKKING)]
    (tmp_path / "wide.csv").write_text("\n".join(wide))
    for name, runs in (("long", ["seed 0", "seed 1"]), ("wide", ["a", "b"])):
        assert list(read_csv(tmp_path / f"{name}.csv").runs) == runs
        assert main([str(tmp_path / f"{name}.csv"), "--classes", "113"]) == 0
        lines = capsys.readouterr().out.split("\n")
        assert [line.split()[-6] for line in lines[3:5]] == ["grokking", "memorisation"]


def test_cells_may_be_empty_steps_unequal_and_repeated(tmp_path: Path) -> None:
    rows = ["step,train_acc,val_acc,loss,weight_norm", "0,0.5,,2.3,9", "5,,0.1,,", "3,NaN,0.4,,8", "5,1.0,0.2,0.1,7"]
    (tmp_path / "r.csv").write_text("\n".join(rows))
    (curves,) = read_csv(tmp_path / "r.csv").runs.values()
    assert [x.tolist() for x in curves["train_accuracy"]] == [[0.0, 5.0], [0.5, 1.0]]
    assert [x.tolist() for x in curves["test_accuracy"]] == [[3.0, 5.0], [0.4, 0.2]]
    assert [x.tolist() for x in curves["norm"]] == [[0.0, 3.0, 5.0], [9.0, 8.0, 7.0]]
    assert curves["train_loss"][1].tolist() == [2.3, 0.1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line of headings"),
        ("step,train_acc,test_acc\n", "line of headings"),
        ("step,train_acc,test_acc\n0,x,0.1\n", "got '0' and 'x' in row 2"),
        ("step,train_acc,test_acc\n0,1,0.1\n1,1,-3\n", "must lie in"),
        ("step,train_acc,test_acc\n0,1,0.1\n", "measured twice"),
        ("step,train_acc,test_acc\n-1,1,0.1\n1,1,0.1\n", "from 0 on"),
        ("Wall time,Step,Value\n1,2,3\n", "train and test accuracy"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    assert main([str(tmp_path / "bad.csv")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert main([str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err


def test_a_run_that_starts_high_says_nothing_of_chance() -> None:
    t = np.arange(3.0)
    assert chance_level((t, np.array([0.02, 1, 1])))[0] == 0.02
    assert chance_level((t, np.array([0.99, 0.5, 0.2])))[0] == 0.0
    assert chance_level((t, np.array([0.99, 0.5, 0.2])), chance=0.3) == (0.3, "as given")


def test_a_file_of_realnet_is_classified_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kept = Path(__file__).parent.parent / "validate" / "data" / "realnet" / "grokking.nc"
    assert main([str(kept)]) == 0
    out = capsys.readouterr().out
    assert out.count("grokking  ") == 2
    assert "chance: the task's" in out
    assert main([str(kept), "--chance", "0.2"]) == 0
    assert "0.2\n" in capsys.readouterr().out
    (tmp_path / "broken.nc").write_text("nothing")
    assert main([str(tmp_path / "broken.nc")]) == 2
    assert "broken.nc is not" in capsys.readouterr().err
