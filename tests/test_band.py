"""The sums of products of rows that depend on few unknowns each."""

from __future__ import annotations

import pytest
import torch

from kanpde.optim.band import Storage, together
from tests.local_rows import F64, Rows

SIZE, WIDTH = 60, 5


def rows_in_cells(cells: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the unknowns and two components of `count` rows, each in one of so many cells, some of which are empty."""
    generator = torch.Generator().manual_seed(cells + count)
    starts = torch.randint(0, SIZE - WIDTH, (cells,), generator=generator)
    weights = torch.arange(1, cells + 1, dtype=F64) ** 2
    chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
    columns = starts[chosen][:, None] + torch.arange(WIDTH)
    return columns, torch.randn(2, count, WIDTH, dtype=F64, generator=generator)


@pytest.mark.parametrize("bandwidth", [WIDTH - 1, None])
@pytest.mark.parametrize(("cells", "count"), [(1, 1), (1, 40), (7, 40), (200, 40)])
def test_the_sum_of_products_is_that_of_the_dense_matrix(cells, count, bandwidth):
    columns, rows = rows_in_cells(cells, count)
    local = Rows(Storage(torch.arange(SIZE), bandwidth), columns, rows, torch.zeros(2 * count, dtype=F64))
    dense = local.matrix.T @ local.matrix
    found = local.gram if bandwidth is None else torch.zeros_like(dense)
    if bandwidth is not None:
        for below, diagonal in enumerate(local.gram):
            found += torch.diag(diagonal[: SIZE - below], -below)
    torch.testing.assert_close(found.tril(), dense.tril(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("cells", "count"), [(1, 1), (1, 40), (7, 40), (200, 40)])
def test_rows_of_the_same_unknowns_come_together_with_few_zeros(cells, count):
    columns, rows = rows_in_cells(cells, count)
    numbers, grouped = together(columns, rows)
    distinct = len(torch.unique(columns, dim=0))
    assert len(numbers) <= 2 * distinct
    assert grouped.shape[0] * grouped.shape[1] <= 2 * (2 * count + distinct * 2)
    assert torch.equal(grouped.ne(0).any(-1).sum(), torch.tensor(2 * count))
