"""kanpde compare: equal sizes, one table, figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kanpde.errors import ConfigurationError
from kanpde.network.equal_sizes import KINDS, equal_network
from kanpde.runs.compare_run import match_of, run


@pytest.fixture
def kanpde(tmp_path, monkeypatch, command):
    """The command, called in a folder of its own, with room for a wide table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return command


def of_problem(name):
    shared = {"seed": 0, "device": "cpu", "dtype": "float64", "training": {}}
    return match_of({"problem": {"name": name}, "data": None, **shared})[0]


@pytest.mark.parametrize("name", ["heat", "burgers"])
@pytest.mark.parametrize("parameters", [150, 700])
def test_networks_of_all_kinds_have_nearly_as_many_parameters(name, parameters):
    match = of_problem(name)
    first = match.count(equal_network("kan", parameters, match.count))
    assert first == pytest.approx(parameters, rel=0.06)
    for kind in KINDS[1:]:
        assert match.count(equal_network(kind, first, match.count)) == pytest.approx(first, rel=0.04)


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigurationError, match="unknown network 'mpl'"):
        equal_network("mpl", 100, lambda network: 1)


def test_a_problem_is_compared(kanpde, tmp_path):
    stages = "training.stages=[{optimiser: gauss_newton, iterations: 4}]"
    status, out, err = kanpde("compare", "network=kan,mlp", "problem=heat", "parameters=80", stages)
    assert status == 0, err
    folder = tmp_path / out.splitlines()[-1].removeprefix("run: ")
    rows = json.loads((folder / "metrics.json").read_text())["networks"]
    assert list(rows) == ["kan", "mlp"] and all(row["iterations"] == 4 for row in rows.values())
    assert rows["kan"]["parameters"] == pytest.approx(rows["mlp"]["parameters"], rel=0.05)
    assert all(row["error"] > 0 and str(row["parameters"]) in out for row in rows.values())
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {
        "config.yaml",
        "metrics.json",
        "kan.kan",
        "mlp.kan",
        "figures/course.png",
        "figures/errors.png",
    }


def test_a_table_is_compared(kanpde, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    y = np.sin(3 * x[:, 0]) + x[:, 1]
    lines = [f"{a!r},{b!r},{c!r}" for a, b, c in zip(*x.T.tolist(), y.tolist(), strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *lines]))
    stages = "training.stages=[{optimiser: adamw, iterations: 150, learning_rate: 0.02, schedule: cosine}]"
    status, out, err = kanpde("compare", "network=[kan, mlp]", "data=table.csv", "target=y", "parameters=100", stages)
    assert status == 0, err
    folder = tmp_path / out.splitlines()[-1].removeprefix("run: ")
    rows = json.loads((folder / "metrics.json").read_text())["networks"]
    assert all(row["error"] < 0.3 for row in rows.values()) and "test RMSE" in out


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"problem": None}, "problem=NAME or data="),
        ({"data": "a.csv"}, "got both"),
        ({"networks": ["kan"]}, "two different networks"),
        ({"networks": ["kan", "mpl"]}, "unknown network 'mpl'"),
        ({"parameters": 3}, "from 20 to 5000"),
    ],
)
def test_mistakes_cost_one_line_and_no_file(tmp_path, changes, expected):
    groups = {"networks": ["kan", "mlp"], "parameters": 100, "problem": {"name": "heat"}, "data": None, "target": None}
    shared = {"test": 0.2, "training": {}, "seed": 0, "device": "cpu", "dtype": "float64"}
    with pytest.raises(ConfigurationError, match=expected):
        run(tmp_path / "run", {**groups, **shared, **changes}, "")
    assert not list(tmp_path.iterdir())
