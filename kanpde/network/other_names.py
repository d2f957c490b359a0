"""Arguments of other libraries' networks, and what they are called here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kanpde.errors import ConfigurationError, nearest

SIZES = "KAN.from_sizes([2, 5, 1]), or width=[5] for the hidden layers alone"
NONE = "no argument for it; docs/module.md says what to do instead"
ELSEWHERE: Mapping[str, str] = {
    "grid": "intervals",
    "grid_size": "intervals",
    "num_grids": "intervals",
    "num_knots": "intervals",
    "k": "degree",
    "spline_order": "degree",
    "layers_hidden": SIZES,
    "layer_dims": SIZES,
    "hidden_layers": SIZES,
    "base_fun": "base",
    "base_activation": "base",
    "grid_range": "low and high of KAN.from_sizes or of build",
    "low": "low of KAN.from_sizes or of build",
    "high": "high of KAN.from_sizes or of build",
    "seed": "seed of KAN.from_sizes, build, fit or solve",
    "dtype": "dtype of KAN.from_sizes, build, fit or solve",
    "device": ".to(device) after KAN.from_sizes or build, or device of fit or solve",
    "scale_base": NONE,
    "scale_spline": NONE,
    "scale_noise": NONE,
    "noise_scale": NONE,
    "grid_eps": "share of quantile_grid, which is 1 less this number",
}


def refuse(function: str, others: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigurationError for the first argument that the function does not have, if there is one."""
    for name in others:
        here = f"here it is {ELSEWHERE[name]}" if name in ELSEWHERE else nearest(name, known)
        raise ConfigurationError(f"unknown argument {name!r} of {function}; {here}")
