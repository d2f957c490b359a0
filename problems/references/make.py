"""Makes the reference solutions in this folder, those that have no closed form, and says how right they are.

    python problems/references/make.py [allen_cahn] [kdv]

Fourier in space, ETDRK4 in time (kanpde/bench/etdrk4.py), kept at Chebyshev nodes in
time. A file holds `coefficients` c of shape (degree + 1, modes): u = Re sum_jk c_jk T_j(2 t - 1) exp(i pi k x), for
Allen-Cahn with the kink that `kink_modes` describes taken out. Half the time step and twice the points are the check.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.fft import dct, irfft, rfft

from kanpde.bench.etdrk4 import march

FOLDER = Path(__file__).parent


def chebyshev_nodes(degree: int) -> np.ndarray:
    """The extrema of T_degree(2 t - 1), from t = 0 to t = 1."""
    return (1 - np.cos(np.pi * np.arange(degree + 1) / degree)) / 2


def chebyshev_coefficients(values: np.ndarray) -> np.ndarray:
    """Coefficients in T_j(2 t - 1) of the polynomials with these values, one column each, at `chebyshev_nodes`."""
    if np.iscomplexobj(values):
        return chebyshev_coefficients(values.real) + 1j * chebyshev_coefficients(values.imag)
    coefficients = dct(values[::-1], type=1, axis=0) / (len(values) - 1)
    coefficients[[0, -1]] /= 2
    return coefficients


def kdv(points: int = 768, degree: int = 96, substeps: int = 640, modes: int = 190) -> np.ndarray:
    """u_t + u u_x + 0.022^2 u_xxx = 0, u(x, 0) = cos pi x."""
    wavenumber = np.pi * np.arange(points // 2 + 1)
    kept = wavenumber < np.pi * points / 3
    start = np.where(wavenumber == np.pi, 0.5, 0)

    def advection(state: np.ndarray) -> np.ndarray:
        return -0.5j * wavenumber * kept * rfft(irfft(state, norm="forward") ** 2, norm="forward")

    states = march(0.022**2 * 1j * wavenumber**3, advection, start, chebyshev_nodes(degree), substeps)
    return chebyshev_coefficients(one_sided(states[:, :modes]))


def allen_cahn(points: int = 8192, degree: int = 56, substeps: int = 64, modes: int = 1400) -> np.ndarray:
    """u_t = 1e-4 u_xx + 5 (u - u^3), u(x, 0) = x^2 cos pi x, less the kink; u is even, so everything is real."""
    numbers, times = np.arange(points // 2 + 1), chebyshev_nodes(degree)
    kept = numbers < points // 2
    start = kept * (square_modes(numbers - 1) + square_modes(numbers + 1)) / 2

    def reaction(state: np.ndarray) -> np.ndarray:
        return -5 * kept * rfft(irfft(state, norm="forward") ** 3, norm="forward").real

    states = march(5 - 1e-4 * (np.pi * numbers) ** 2, reaction, start, times, substeps)
    return chebyshev_coefficients(one_sided((states - kink_modes(numbers, times))[:, :modes]))


def square_modes(numbers: np.ndarray) -> np.ndarray:
    """The Fourier coefficients of x^2 on [-1, 1]."""
    return np.where(numbers == 0, 1 / 3, 2 * (-1.0) ** numbers / (np.pi * np.where(numbers == 0, 1, numbers)) ** 2)


def kink_modes(numbers: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Modes of the solution of w_t = 1e-4 w_xx - 10 w from -x^2, which has the kink of x^2 cos pi x at x = 1.

    -10 is the derivative of 5 (u - u^3) at u = -1: what is left of u has modes like k^-4 and smaller, not k^-2.
    """
    return -square_modes(numbers) * np.exp(-(10 + 1e-4 * (np.pi * numbers) ** 2) * times[:, None])


def one_sided(states: np.ndarray) -> np.ndarray:
    """From the modes k >= 0 of a real u to the c with u = Re sum_k c_k exp(i pi k x)."""
    return np.where(np.arange(states.shape[1]) == 0, 1, 2) * states


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """A bound on the largest difference in space and time of the modes that both have."""
    modes = min(one.shape[1], other.shape[1])
    columns = np.abs(one[:, :modes] - other[:, :modes])
    return float(columns.sum())


def main(names: list[str]) -> None:
    finer = {"kdv": {"points": 1536, "substeps": 1280}, "allen_cahn": {"points": 16384, "substeps": 128}}
    for name in names or sorted(finer):
        solver = {"kdv": kdv, "allen_cahn": allen_cahn}[name]
        coefficients, check = solver(), solver(**finer[name])
        # Zeros at the end of the numbers, far below the error, let the file shrink.
        rounded = np.ldexp(np.round(np.ldexp(coefficients.view(float), 48)), -48).view(coefficients.dtype)
        np.savez_compressed(FOLDER / f"{name}.npz", coefficients=rounded)
        print(
            f"{name}: {rounded.shape}, {(FOLDER / f'{name}.npz').stat().st_size // 1000} kB; "
            f"twice as fine changes it by at most {difference(coefficients, check):.1e}, "
            f"last degree {np.abs(coefficients[-1]).sum():.1e}, last mode {np.abs(coefficients[:, -1]).sum():.1e}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
