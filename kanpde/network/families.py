"""The families of edge functions by name, as in `KAN(family=...)` and in saved networks."""

from __future__ import annotations

from kanpde.network.bspline import BSpline
from kanpde.network.chebyshev import Chebyshev
from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.fourier import Fourier
from kanpde.network.kernels import Gaussian, Rational, Wavelet

FAMILIES: dict[str, type[EdgeBasis]] = {
    "bspline": BSpline,
    "chebyshev": Chebyshev,
    "fourier": Fourier,
    "gaussian": Gaussian,
    "rational": Rational,
    "wavelet": Wavelet,
}
