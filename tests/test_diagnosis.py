"""A network from inside: dead edges, grids, gradients, rank."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
import torch

from kanpde import KAN, MLP, diagnose, fit
from kanpde.errors import ConfigurationError
from kanpde.optim.least_squares import Linearisation
from kanpde.readable.diagnosis import conditioning
from kanpde.runs import diagnose_run

FIXED = {"stages": [{"optimiser": "gauss_newton"}], "smoothness": 1e-8}


@pytest.fixture(scope="module")
def fitted():
    x = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    return fit(x, np.sin(2 * x[:, 0]) + x[:, 1], KAN(width=[2], degree=3, intervals=4), training=FIXED, seed=0)


def test_the_gradient_of_the_layers_is_that_of_the_loss(fitted):
    found = diagnose(fitted)
    assert [layer.edges for layer in found.layers] == [4, 2] and found.parameters == fitted.model.size
    assert found.loss < 1e-4 and all(layer.gradient < 1e-2 for layer in found.layers)
    worse = diagnose(type(fitted)(fitted.problem, changed(fitted, 1.01), fitted.history, fitted.record))
    assert worse.loss > found.loss
    assert math.hypot(*(one.gradient for one in worse.layers)) > math.hypot(*(one.gradient for one in found.layers))


def changed(solution, factor):
    """A copy of the model whose last layer is multiplied."""
    model = copy.deepcopy(solution.model)
    with torch.no_grad():
        model.network.hidden[-1].coefficients.mul_(factor)
    return model


def test_dead_edges_and_wrong_grids_are_found(fitted):
    model = copy.deepcopy(fitted.model)
    with torch.no_grad():
        model.network.first.coefficients[0, :, 1] = 0.0  # the edge from x1 to the second node
        model.network.first.coefficients[:, :, 0] *= 3.0  # the first node's values leave their grid
    found = diagnose(type(fitted)(fitted.problem, model, fitted.history, fitted.record))
    assert found.layers[0].dead == 1 + int(diagnose(fitted).layers[0].dead)
    assert found.layers[1].outside > 0.1 > diagnose(fitted).layers[1].outside


def test_rank_and_condition_are_those_of_the_scaled_jacobian():
    generator = np.random.default_rng(0)
    jacobian = torch.from_numpy(generator.normal(size=(20, 4))) * torch.tensor([1.0, 1e6, 1e-6, 1.0])
    rows = torch.zeros(20, dtype=torch.float64)
    rank, condition = conditioning(Linearisation.whole(jacobian, rows))
    assert rank == 4 and 1 <= condition < 100
    doubled = torch.cat([jacobian, jacobian[:, :1]], dim=1)
    assert conditioning(Linearisation.whole(doubled, rows))[0] == 4


def test_a_file_is_diagnosed_beside_itself(fitted, tmp_path, capsys):
    fitted.save(tmp_path / "fit.kan")
    diagnose_run.run(tmp_path / "fit.kan")
    out = capsys.readouterr().out
    folder = tmp_path / "fit_diagnosis"
    assert {file.name for file in folder.iterdir()} == {"diagnosis.json", "edge_1.png", "edge_2.png"}
    saved = json.loads((folder / "diagnosis.json").read_text())
    assert saved["parameters"] == fitted.model.size and f"of {fitted.model.size} parameters" in out


def test_what_has_no_edges_is_refused(tmp_path):
    x = np.linspace(-1, 1, 30)
    with pytest.raises(ConfigurationError, match="expected a solution or a built network"):
        diagnose(fit(x, x, MLP(width=[2]), training={"stages": [{"optimiser": "adam", "iterations": 1}]}))
    with pytest.raises(ConfigurationError, match="expected a solution"):
        diagnose(KAN(width=[1]))
    with pytest.raises(ConfigurationError, match="kan file"):
        diagnose_run.run(tmp_path)
