"""The multilayer perceptron: jets and Jacobian against automatic differentiation, sizes, files."""

import pytest
import torch

from kanpde import MLP
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError
from kanpde.network.trial_function import saved_network


@pytest.mark.parametrize("activation", ["tanh", "silu"])
def test_jets_are_derivatives(activation):
    network = MLP([5, 4], activation).build([0, -1], [2, 3], 2, seed=1)
    points = torch.rand(6, 2, dtype=torch.float64, requires_grad=True)
    plan = JetPlan(2, [(0, 1)])
    jets = network.jets(network.prepare(points.detach(), plan), plan)
    for field in range(2):
        first = torch.autograd.grad(network(points)[:, field].sum(), points, create_graph=True)[0]
        second = torch.autograd.grad(first[:, 0].sum(), points, retain_graph=True)[0]
        assert torch.allclose(jets[:, plan.index[(0,)], field], first[:, 0])
        assert torch.allclose(jets[:, plan.index[(0, 1)], field], second[:, 1])


def test_a_saved_network_is_the_same_function():
    network = MLP([3]).build([-1], [1], 1, seed=2, dtype=torch.float32)
    again = saved_network(network.architecture(), network.state_dict())
    x = torch.linspace(-1, 1, 5)[:, None]
    assert torch.equal(again(x), network(x)) and again(x).dtype == torch.float32


@pytest.mark.parametrize("width", [[0], [2.5], "ab", 3, [True]])
def test_widths_are_whole_numbers(width):
    with pytest.raises(ConfigurationError, match=r"network\.width"):
        MLP(width)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ConfigurationError, match="unknown activation 'relux'"):
        MLP([3], "relux")


def test_random_waves_have_jets_in_closed_form_and_are_restored():
    network = MLP([6], frequencies=5, scale=2.0).build([0.0, -1.0], [2.0, 1.0], 1, seed=4)
    plan = JetPlan(2, [(0, 0), (0, 1)])
    points = torch.rand(7, 2, dtype=torch.float64, requires_grad=True)
    jet = network.jets(network.prepare(points, plan), plan)[..., 0]
    (slope,) = torch.autograd.grad(network(points).sum(), points, create_graph=True)
    (second,) = torch.autograd.grad(slope[:, 0].sum(), points)
    assert torch.allclose(jet[:, plan.index[(0,)]], slope[:, 0])
    assert torch.allclose(jet[:, plan.index[(0, 0)]], second[:, 0])
    assert torch.allclose(jet[:, plan.index[(0, 1)]], second[:, 1])
    again = MLP.from_architecture(network.architecture(), network.state_dict())
    assert torch.equal(again(points), network(points))


@pytest.mark.parametrize("options", [{"frequencies": 0}, {"frequencies": 2.5}, {"frequencies": 3, "scale": -1}])
def test_waves_that_are_none_are_refused(options):
    with pytest.raises(ConfigurationError, match="expected network"):
        MLP([4], **options)
