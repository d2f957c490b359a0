"""Grids of a network that are refined, extended, or moved with the values that arrive at them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.errors import ConfigurationError
from kanpde.network import grids
from kanpde.network.layer import KANLayer
from kanpde.network.moments import require_moments


class AdaptiveGrids(nn.Module):
    """The methods of a network that change the grids of its layers; the network has the first four members."""

    straight: bool

    @property
    def first(self) -> KANLayer:
        """The first layer."""
        raise NotImplementedError

    @property
    def hidden(self) -> list[KANLayer]:
        """Every other layer."""
        raise NotImplementedError

    def node_values(self, points: Tensor) -> list[Tensor]:
        """Return the inputs of each layer, (n, i) each, at points (n, d)."""
        raise NotImplementedError

    def _checked(self, x: Tensor) -> Tensor:
        """Return points; raise ConfigurationError if they are not points of the network."""
        raise NotImplementedError

    def refine(
        self, points: Tensor, residual: Tensor | None = None, *, optimiser: torch.optim.Optimizer | None = None
    ) -> None:
        """Double the number of every layer's intervals, where most of the squared `residual` (n,) at points (n, d) is.

        The function does not change; without a residual the points themselves count. Parameters are new objects
        afterwards: `optimiser` gets them in the place of the old ones, with its moments on the finer knots.

        Raises ConfigurationError if the optimiser has other parameters, or a state that is no moments.
        """
        require_moments(optimiser, self.parameters())
        if residual is not None and residual.shape != self._checked(points).shape[:1]:
            raise ConfigurationError(
                f"expected one residual for each of {len(points)} points, got the shape {tuple(residual.shape)}"
            )
        mass = np.ones(len(points)) if residual is None else residual.detach().square().double().cpu().numpy()
        with torch.no_grad():
            values = self.node_values(self._checked(points))
        for layer, arriving in zip([self.first, *self.hidden], values, strict=True):
            grids.refine_layer(layer, arriving.double().cpu().numpy(), mass, optimiser)

    def extend_grid(
        self, points: Tensor, *, coordinates: bool = True, optimiser: torch.optim.Optimizer | None = None
    ) -> bool:
        """Extend the grids that the values at points (n, d) leave, with a margin; return whether there were any.

        Edges do not change on their old grids; splines get new intervals beyond these, on which they continue a line.
        Parameters that grow are new objects, which `optimiser` gets, see `refine`. `coordinates` says whether the grids
        of the inputs are extended as well. Raises ConfigurationError, and changes nothing, if points are so far away
        that numbers of the network's precision overflow.
        """
        require_moments(optimiser, self.parameters())
        trial = copy.deepcopy(self)
        with torch.no_grad(), np.errstate(over="ignore", invalid="ignore"):
            trial._follow(points, grids.widen_layer, coordinates)
            finite = bool(trial(points).isfinite().all())
        if not finite and bool(torch.isfinite(points).all()):
            raise ConfigurationError(
                "expected points that the network's grids reach by some more intervals, got points so far away that "
                "its functions overflow there; call update_grid, which fits them anew"
            )
        return self._follow(points, lambda layer, x: grids.widen_layer(layer, x, optimiser), coordinates)

    def update_grid(self, points: Tensor, *, coordinates: bool = False) -> bool:
        """Fit edges anew on even grids over the values at points (n, d); return whether there were any.

        Only grids change that values leave, or of which they use less than half, so that repeated calls change nothing.
        Parameters stay the same objects.
        """
        return self._follow(points, grids.update_layer, coordinates)

    def quantile_grid(self, points: Tensor, share: float = 0.9, *, coordinates: bool = True) -> bool:
        """Place the knots at quantiles of the values at points (n, d), and fit the edges anew on them; return True.

        `share` is the weight of the quantiles against evenly spaced knots. Raises ConfigurationError if it is not
        between 0 and 1, or for other functions than B-splines.
        """
        if not 0 <= share <= 1:
            raise ConfigurationError(f"expected a share between 0 and 1 for quantile_grid, got {share!r}")
        return self._follow(points, lambda layer, x: grids.quantile_layer(layer, x, share), coordinates)

    @torch.no_grad()
    def _follow(self, points: Tensor, change: Callable[[KANLayer, Tensor], bool], coordinates: bool) -> bool:
        changed, values = False, self._checked(points).reshape(-1, points.shape[-1])
        for layer in [self.first, *self.hidden]:
            if layer is not self.first or coordinates:
                changed |= change(layer, values)
            values = layer(values)
        return changed

    def straighten(self, points: Tensor) -> None:
        """Extend the hidden grids to the values at points (n, d), and let edges go on as lines beyond them.

        The outermost functions become longer, so that parameters stay the same objects.
        """
        self._follow(points, grids.extend_layer, coordinates=False)
        self.straight = True
