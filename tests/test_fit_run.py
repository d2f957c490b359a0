"""kanpde fit: a table in, a run's folder out."""

import csv
import json

import numpy as np
import pytest

from kanpde import Solution
from kanpde.errors import ConfigurationError
from kanpde.training.fitting.tables import inputs_and_targets, read_columns


@pytest.fixture
def kanpde(tmp_path, monkeypatch, command):
    """The command, called in a folder of its own, with room for a wide table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return command


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (150, 2))
    y = 2 * x[:, 0] + np.sin(x[:, 1])
    lines = [f"{a!r},{b!r},name,{c!r}" for a, b, c in zip(*x.T.tolist(), y.tolist(), strict=True)]
    return write(tmp_path / "my data.csv", "\n".join(["width,x 2,label,y", *lines]))


def test_a_table_becomes_a_run(table, kanpde, tmp_path):
    status, out, err = kanpde("fit", table.name, "target=y", "network.width=[1]", "seed=1")
    assert status == 0, err
    folder = tmp_path / out.splitlines()[-1].removeprefix("run: ")
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    figures = {f"figures/{name}.png" for name in ("solution", "history", "network")}
    saved = {"metrics.json", "solution.kan", "history.csv", "config.yaml", "checkpoint.safetensors"}
    assert files == saved | figures
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {part: scores["samples"] for part, scores in metrics["scores"].items()} == {
        "training": 96,
        "validation": 24,
        "test": 30,
    }
    assert metrics["scores"]["test"]["rmse"] < 1e-2 and metrics["verdict"] == "solved"
    assert "test, 30 samples" in out and "chosen by held-out points" in out
    assert Solution.load(folder / "solution.kan").problem.domain.names == ("width", "x_2")
    with (folder / "history.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + metrics["iterations"]
    status, shown, _ = kanpde("show", str(folder))
    assert status == 0 and "test, 30 samples" in shown


def test_a_fit_that_stopped_goes_on_exactly(table, kanpde, tmp_path):
    words = ("fit", table.name, "target=y", "network.width=[1]", "seed=1")
    for own in (["hydra.run.dir=whole"], ["hydra.run.dir=cut", "training.target=0.5"]):
        status, _, err = kanpde(*words, *own)
        assert status == 0, err
    status, out, err = kanpde("resume", "cut", "training.target=null")
    assert status == 0 and out.splitlines()[-1] == "run: cut", err
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "cut")]
    assert metrics[0]["scores"] == metrics[1]["scores"] and metrics[0]["iterations"] == metrics[1]["iterations"]
    table.write_text(table.read_text().replace("name,", "name,1", 1))
    status, _, err = kanpde("resume", "cut")
    assert status == 2 and "as it was when the run began" in err


def test_a_sweep_may_be_asked_for_after_settings_and_ends_with_one_table(table, kanpde):
    sizes = ["training.batch_size=8,16", "training.max_iterations=2"]
    _, out, err = kanpde("fit", table.name, "target=y", "-m", *sizes, "symbolic=off")
    last = out.split("run: ")[-1]
    assert "error, or misfit" in last, err
    rows = [line.split()[0] for line in last.splitlines() if "training." in line]
    assert rows == ["training.batch_size=8", "training.batch_size=16"]  # what all jobs have is left out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothing.csv", "target=y"], "expected a CSV file at nothing.csv, got none"),
        (["my data.csv"], "expected target=NAME, one of the columns width, x 2, y"),
        (["my data.csv", "target=z"], "unknown target 'z'"),
        (["my data.csv", "target=label"], "expected numbers such as 0.5 in the target 'label' of my data.csv, got"),
        (["data=suite", "target=y"], "expected no target beside data=suite"),
        (["my data.csv", "target=y", "training.epochs=3"], "training.epochs"),
        (["my data.csv", "target=y", "test=2"], "expected test to be a share"),
        ([], "expected kanpde fit DATA.csv target=NAME"),
    ],
)
def test_bad_input_is_one_line(table, tmp_path, kanpde, words, expected):
    status, _, err = kanpde("fit", *words)
    lines = [line for line in err.splitlines() if not line.startswith("column")]
    assert status == 2 and len(lines) == 1 and expected in lines[0]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got 0 lines"),
        ("x,y\n", "got 1 lines"),
        ("1,2\n3,4\n", "expected names in the first line"),
        ("x,x\n3,4\n", "'x' twice"),
        ("x,y\n3,4\n5\n", "line 3"),
        ("x,y\n3,4\n5,\n", "column 'y', line 3"),
        ("x,y\n3,4\n5,inf\n", "column 'y', line 3"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_columns(write(tmp_path / "a.csv", text))
    assert "\n" not in str(caught.value)


def test_tables_have_several_delimiters_and_columns_of_words(tmp_path):
    path = write(tmp_path / "a.csv", "\ufeffx;name;y\n1;a;2\n3;b;4e1\n\n")
    columns, others = read_columns(path)
    assert list(columns) == ["x", "y"] and others == {"name": "a"} and columns["y"].tolist() == [2.0, 40.0]
    assert inputs_and_targets(columns, others, ["y"], path) == (["x"], ["y"])
    with pytest.raises(ConfigurationError, match="beside x, y"):
        inputs_and_targets(columns, others, ["x", "y"], path)


def test_the_entries_that_are_no_numbers_are_shown(tmp_path):
    path = write(tmp_path / "a.csv", "x;y\n0,5;1,5\n1,5;2,5\n")
    columns, others = read_columns(path)
    with pytest.raises(ConfigurationError, match="target 'y' of .*, got '1,5'; write numbers with a point"):
        inputs_and_targets(columns, others, ["y"], path)
    path = write(tmp_path / "b.csv", "x,y\nhigh,1\nlow,2\n")
    with pytest.raises(ConfigurationError, match="beside y in .*, got column 'x' begins with 'high'; add one"):
        inputs_and_targets(*read_columns(path), ["y"], path)
