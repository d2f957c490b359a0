"""A KAN as a torch module: shapes, precisions, transformations, files, grids, and refusals in one line."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, hessian, jvp, vmap

from kanpde import KAN, files, load_problem, penalty, solve
from kanpde.errors import ConfigurationError, KanpdeError

F64 = torch.float64


def built(**options):
    return KAN.from_sizes(**{"layers": [2, 4, (2, 1), 3], "seed": 1, "dtype": F64, **options})


def points_in(*shape, dtype=F64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, 2, generator=generator, dtype=dtype) * 2 - 1


def test_sizes_with_inputs_and_outputs_are_those_of_a_built_network():
    network = KAN.from_sizes([2, 5, 1])
    other = KAN(width=[5], degree=3, intervals=5).build(low=[-1, -1], high=[1, 1], outputs=1, dtype=torch.float32)
    assert network.architecture() == other.architecture()
    x = points_in(7, dtype=torch.float32)
    assert torch.equal(network(x), other(x)) and network(x).dtype == torch.float32


@pytest.mark.parametrize("shape", [(), (1,), (0,), (6,), (2, 3), (2, 1, 3), (0, 4)])
def test_leading_dimensions_are_kept(shape):
    network, x = built(), points_in(*shape)
    values = network(x)
    assert values.shape == (*shape, 3)
    assert torch.equal(values.reshape(-1, 3), network(x.reshape(-1, 2)))


def test_many_points_without_gradients_have_the_values_of_few():
    network, x = built(), points_in(5000)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[4000:], network(x[4000:]), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: KAN([2, 5, 1])(points_in(3)), r"built network, got KAN\(width=\[2, 5, 1\]\).*hidden.*from_sizes"),
        (lambda: KAN([(2, 1)]).first, "expected a built network"),
        (lambda: KAN([3]).save("nothing.kan"), "expected a built network"),
        (lambda: built()(torch.zeros(4, 3, dtype=F64)), r"expected points \(..., 2\), got the shape \(4, 3\)"),
        (lambda: built()(torch.tensor(1.0)), "expected points"),
        (lambda: built()(points_in(3).float()), "torch.float64, as the network's parameters, got torch.float32"),
        (lambda: built()(torch.zeros(3, 2, dtype=torch.long)), "got torch.int64"),
        (lambda: KAN.from_sizes([2]), "sizes of all layers"),
        (lambda: KAN.from_sizes([2, (1, 1)]), "sizes of all layers"),
        (lambda: KAN.from_sizes(5), "to be a list"),
        (lambda: KAN.from_sizes([2, 5, 1], low=1.0), "low < high"),
        (lambda: KAN([3]).build([0, 0], [1], 1), "low < high"),
        (lambda: KAN([3]).build("a", "b", 1), "low < high"),
        (lambda: KAN([3]).build([0], [1], 0), "network.outputs"),
        (lambda: built().quantile_grid(points_in(9), share=2), "share between 0 and 1"),
        (lambda: KAN(width=[2, 5, 1], grid=5, k=3), "unknown argument 'grid' of KAN; here it is intervals"),
        (lambda: KAN(layers_hidden=[2, 5, 1]), r"unknown argument 'layers_hidden'.*from_sizes\(\[2, 5, 1\]"),
        (lambda: KAN.from_sizes([2, 5, 1], spline_order=3), "unknown argument 'spline_order'.*degree"),
        (lambda: KAN.from_sizes([2, 5, 1], scale_base=1.0), "'scale_base'.*docs/module.md"),
        (lambda: KAN([5], degre=3), "unknown argument 'degre' of KAN; did you mean 'degree'"),
        (lambda: KAN.from_sizes([2, 5, 1], low=[0, 0, 0], high=[1, 1, 1]), "numbers or with 2 entries"),
        (lambda: KAN.from_sizes([2, 5, 1], dtype="float32"), "dtype torch.float64 or torch.float32, got 'float32'"),
        (lambda: built(dtype=torch.int32), "dtype torch.float64 or torch.float32, got torch.int32"),
        (lambda: built()(np.zeros((3, 2))), r"a torch tensor \(..., 2\), got ndarray.*torch.as_tensor"),
        (lambda: built().refine(np.zeros((3, 2))), "a torch tensor"),
        (lambda: built().refine(torch.zeros(3, 3, dtype=F64)), "expected points"),
        (lambda: built().refine(points_in(5), torch.ones(4)), "one residual for each of 5 points"),
        (lambda: built().refine(points_in(5), optimiser="adam"), "an optimiser of torch .*got 'adam'"),
        (lambda: built().transfer(degree=0), "network.degree to be a whole number of at least 1, got 0"),
        (lambda: built().transfer(intervals=[5]), "expected 3 entries in network.intervals"),
        (lambda: penalty(nn.Linear(2, 1)), "expected a KAN.*got Linear"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(call, words):
    with pytest.raises(ConfigurationError, match=words) as told:
        call()
    assert "\n" not in str(told.value)


def test_autocast_computes_products_in_bfloat16_and_bases_in_single_precision():
    network, x = built(dtype=torch.float32), points_in(64, dtype=torch.float32)
    exact = network(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(x)
        rough.float().square().sum().backward()
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.filterwarnings("ignore")  # of the tracer, which is deprecated and does not follow conditions on shapes
@pytest.mark.parametrize("base", [None, "silu"])
def test_a_traced_network_takes_other_batches(base):
    network, x = built(base=base), points_in(64)
    traced = torch.jit.trace(network, x)
    torch.testing.assert_close(traced(points_in(300)), network(points_in(300)), rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, of its derivatives
@pytest.mark.parametrize("base", [None, "silu"])
def test_transformations_of_torch_func(base):
    network, x = built(base=base), points_in(5)
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def scalar(point):
        return functional_call(network, parameters, (point,))[..., 0].sum()

    expected = torch.autograd.functional.hessian(lambda p: network(p)[0], x[0])
    torch.testing.assert_close(vmap(scalar)(x), network(x)[:, 0].detach())
    torch.testing.assert_close(hessian(scalar)(x[0]), expected, rtol=1e-9, atol=1e-9)
    slopes = vmap(grad(scalar))(x)
    inputs = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(inputs)[:, 0].sum(), inputs)
    torch.testing.assert_close(slopes, gradient, rtol=1e-11, atol=1e-11)
    value, along = jvp(lambda p: network(p)[:, 0], (x,), (torch.ones_like(x),))
    torch.testing.assert_close(along, gradient.sum(dim=1), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(value, network(x)[:, 0])


def test_gradients_are_those_of_finite_differences():
    network, x = built(base="silu"), points_in(3).requires_grad_()
    assert torch.autograd.gradcheck(network, (x,))
    assert torch.autograd.gradgradcheck(network, (x,))


def test_checkpointing_changes_no_gradient():
    network, x = built(), points_in(20)
    gradients = []
    for network.checkpointing in (False, True):
        network.zero_grad()
        network(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_it_is_a_part_of_other_modules():
    x = points_in(4, 3, dtype=torch.float32)
    network = nn.Sequential(nn.Linear(2, 2), KAN.from_sizes([2, 3, 2]), nn.Linear(2, 1))
    assert network(x).shape == (4, 3, 1)
    assert torch.equal(nn.DataParallel(network)(x), network(x))
    assert torch.equal(copy.deepcopy(network)(x), network(x))


def test_a_state_dict_goes_into_a_network_of_the_same_sizes_on_other_grids():
    one, other = built(), built(low=[-3, 0], high=[2, 1], seed=2)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(points_in(9)), other(points_in(9)))


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_file_holds_the_network(tmp_path, dtype):
    network, x = built(dtype=dtype, base="tanh"), points_in(30, dtype=dtype)
    network.refine(x)
    network.save(tmp_path / "network.kan")
    again = KAN.load(tmp_path / "network.kan")
    assert torch.equal(again(x), network(x)) and again.architecture() == network.architecture()
    files.write(tmp_path / "other.kan", {"x": x}, {})
    with pytest.raises(KanpdeError, match="expected a network"):
        KAN.load(tmp_path / "other.kan")


def test_refined_and_extended_grids_change_nothing_inside():
    network, x = built(base="silu"), points_in(300)
    before = network(x)
    network.refine(x, torch.exp(-x.square().sum(dim=1)))
    torch.testing.assert_close(network(x), before, rtol=1e-11, atol=1e-11)
    assert network.extend_grid(2 * x)
    torch.testing.assert_close(network(x), before, rtol=1e-11, atol=1e-11)
    low, high = network.first.basis.range()
    assert (2 * x >= low).all() and (2 * x <= high).all()
    assert network(2 * x).abs().max() < 1e3 * before.abs().max()


def test_updated_grids_follow_the_values_and_then_rest():
    network, x = built(intervals=12), points_in(400)
    with torch.no_grad():
        network.first.coefficients.mul_(0.2)
    before, parameters = network(x).detach(), list(network.parameters())
    assert network.update_grid(x)
    assert (network(x) - before).abs().max() < 0.02 * before.std()
    assert not network.update_grid(x)
    assert all(one is other for one, other in zip(parameters, network.parameters(), strict=True))
    for layer, values in zip(network.hidden, network.node_values(x)[1:], strict=True):
        low, high = layer.basis.range()
        assert (values >= low).all() and (values <= high).all()


def test_knots_at_quantiles_are_dense_where_points_are():
    network = built(layers=[2, 3, 1], intervals=20)
    x = points_in(4000) ** 3
    before = network(x).detach()
    network.quantile_grid(x)
    assert (network(x) - before).square().mean().sqrt() < 0.05 * before.std()
    widths = np.diff(network.first.basis.breakpoints()[0])
    assert widths[9:11].max() < 0.2 * widths.max() and widths.min() > 0


@pytest.mark.filterwarnings("ignore")  # of torch's own compiler
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a compiler")
def test_compiled_networks_have_the_same_values_and_gradients():
    network = KAN.from_sizes([2, 3, 1], degree=2, intervals=2, dtype=torch.float32)
    x = points_in(16, dtype=torch.float32) * 1.5
    # Without vector instructions, whose headers take a compiler most of its time.
    compiled = torch.compile(network, fullgraph=True, options={"cpp.vec_isa_ok": False})
    torch.testing.assert_close(compiled(x), network(x), rtol=1e-5, atol=1e-5)
    gradients = []
    for module in (network, compiled):
        network.zero_grad()
        module(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("call", ["value", "derivative", "residual"])
def test_a_solution_is_differentiable_by_its_coordinates(call):
    solution = solve(load_problem("heat"))
    x = torch.linspace(0.1, 0.9, 5, dtype=F64).requires_grad_()
    t = torch.full((5,), 0.3, dtype=F64)
    evaluate = {
        "value": lambda x: solution(x=x, t=t),
        "derivative": lambda x: solution.derivative("x", x=x, t=t),
        "residual": lambda x: solution.residual(x=x, t=t),
    }[call]
    (slope,) = torch.autograd.grad(evaluate(x).sum(), x)
    with torch.no_grad():
        difference = (evaluate(x + 1e-5) - evaluate(x - 1e-5)) / 2e-5
    torch.testing.assert_close(slope, difference, rtol=1e-6, atol=1e-6)
    if call == "value":
        torch.testing.assert_close(slope, solution.derivative("x", x=x.detach(), t=t), rtol=1e-9, atol=1e-9)
        p = torch.stack([x.detach(), t], dim=1).requires_grad_()
        (direct,) = torch.autograd.grad(solution.model(p).sum(), p)
        torch.testing.assert_close(direct[:, 0], slope, rtol=1e-12, atol=1e-12)
