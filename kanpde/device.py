"""Where and how precisely to compute, by the names users write."""

from __future__ import annotations

import torch

from kanpde.errors import ConfigurationError

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def torch_device(name: str) -> torch.device:
    """The device of "auto" (cuda where there is one), "cpu", "cuda" or "cuda:1"; ConfigurationError if absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = str(name).partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise ConfigurationError(f"expected device auto, cpu, cuda or cuda:N, got {name!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count <= int(number or 0):
        raise ConfigurationError(
            f"expected a machine with device={name}, got one with {count} cuda devices; use device=cpu or auto"
        )
    return torch.device(name)


def torch_dtype(name: str) -> torch.dtype:
    """The dtype of "float64" or "float32"."""
    if name not in DTYPES:
        raise ConfigurationError(f"expected dtype float64 or float32, got {name!r}")
    return DTYPES[name]
