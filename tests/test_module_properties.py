"""Any network of any sizes, precision and family: finite values and gradients for any finite points, or one line.

`KANPDE_EXAMPLES=10000 python -m pytest tests/test_module_properties.py` tries ten thousand random networks.
"""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kanpde import KAN
from kanpde.errors import KanpdeError
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.families import FAMILIES
from kanpde.network.tabulated import can_be_tabulated


def examples(few):
    """The number of examples: a few, or as many as the environment asks for."""
    return int(os.environ.get("KANPDE_EXAMPLES", few))


@st.composite
def networks(draw):
    """A built network and points for it, up to far outside its grid."""
    entry = st.one_of(st.integers(1, 4), st.tuples(st.integers(0, 2), st.integers(1, 2)))
    hidden = draw(st.lists(entry, max_size=3))
    inputs, outputs = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    families = draw(st.lists(st.sampled_from(sorted(FAMILIES)), min_size=len(hidden) + 1, max_size=len(hidden) + 1))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    low = draw(st.floats(-100, 100))
    network = KAN.from_sizes(
        [inputs, *hidden, outputs],
        low=low,
        high=low + draw(st.floats(1e-2, 1e3)),
        degree=draw(st.integers(1, 9)),
        intervals=draw(st.integers(1, 9)),
        base=draw(st.sampled_from([None, *BASE_FUNCTIONS])),
        family=families,
        seed=draw(st.integers(0, 99)),
        dtype=dtype,
    )
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    reach = draw(st.sampled_from([1.0, 3.0, 100.0]))
    ends = torch.stack(network.first.basis.range())
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    unit = torch.rand(*shape, inputs, generator=generator, dtype=dtype)
    return network, ends.mean(dim=0) + reach * (ends[1] - ends[0]) * (unit - 0.5)


@given(networks())
@settings(max_examples=examples(60), deadline=None, derandomize=True)
def test_values_and_gradients_are_finite(case):
    network, x = case
    x.requires_grad_()
    values = network(x)
    assert values.shape == (*x.shape[:-1], network.architecture()["outputs"]) and values.dtype == x.dtype
    assert values.isfinite().all()
    (slopes,) = torch.autograd.grad(values.sum(), x, create_graph=True)
    assert slopes.isfinite().all()
    loss = slopes.square().mean()
    if x.numel() and loss < torch.finfo(x.dtype).max ** 0.75:  # else squares of slopes are beyond the precision's range
        loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@given(networks(), st.integers(510, 700))
@settings(max_examples=examples(25), deadline=None, derandomize=True, phases=[Phase.generate])
def test_many_values_without_a_graph_are_the_same(case, count):
    network, x = case
    ends = torch.stack(network.first.basis.range())
    reach = (x - ends.mean(dim=0)).abs().max() if x.numel() else (ends[1] - ends[0]).max()
    unit = torch.rand(count, ends.shape[1], generator=torch.Generator().manual_seed(count), dtype=ends.dtype)
    points = ends.mean(dim=0) + 2 * reach * (unit - 0.5)
    with torch.no_grad():
        many = network(points)
        few = torch.cat([network(chunk) for chunk in points.split(100)])
    assert many.isfinite().all()
    if all(can_be_tabulated(layer, points) for layer in network.layers):
        near = 1e-9 if ends.dtype == torch.float64 else 2e-2
        assert (many - few).abs().max() <= near * (1 + few.abs().max())


@given(networks())
@settings(max_examples=examples(25), deadline=None, derandomize=True, phases=[Phase.generate])
def test_a_step_of_training_and_every_change_of_grids_end_well(case):
    network, x = case
    points = x.reshape(-1, x.shape[-1])
    if not len(points):
        return
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    loss = network(points).square().mean()
    loss.backward()
    optimiser.step()
    for change in (network.extend_grid, network.update_grid, network.quantile_grid, network.refine):
        try:
            change(points)
        except KanpdeError as refusal:
            assert any(word in str(refusal) for word in ("quantiles", "overflow")) and "\n" not in str(refusal)
        with torch.no_grad():
            assert network(points).isfinite().all()


@given(
    st.lists(st.one_of(st.integers(-1, 3), st.text(max_size=2), st.none(), st.floats(allow_nan=True)), max_size=4),
    st.one_of(st.integers(-2, 3), st.none(), st.text(max_size=3)),
    st.one_of(st.integers(-2, 3), st.lists(st.integers(-1, 3), max_size=3)),
)
@settings(max_examples=examples(80), deadline=None, derandomize=True)
def test_sizes_that_cannot_be_are_refused_in_one_line(layers, degree, intervals):
    try:
        network = KAN.from_sizes(layers, degree=degree, intervals=intervals)
    except KanpdeError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert network(torch.zeros(2, layers[0])).isfinite().all()


def test_a_grid_is_not_extended_to_where_its_functions_overflow():
    network = KAN.from_sizes([1, (1, 2), 2, (2, 2), 1], degree=9, base="identity", dtype=torch.float64)
    far = torch.tensor([[1e9], [-1e9]], dtype=torch.float64)
    near = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    before = network(near)
    with pytest.raises(KanpdeError, match="update_grid") as caught:
        network.extend_grid(far)
    assert "\n" not in str(caught.value)
    assert torch.equal(network(near), before)
