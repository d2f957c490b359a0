"""Choose the device, the dtype and the number of threads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

from kanpde.errors import ConfigurationError, among

PROCESSOR = torch.device("cpu")
DTYPES = {"float64": torch.float64, "float32": torch.float32}
KEPT = 2**25 - 2**20  # bytes of a block that is freed, a little less than the largest one that counts
LARGE = 1e10  # floating-point operations of a dense product or factorisation, above which more threads save time


@cache
def libraries() -> ThreadpoolController:
    """Return the BLAS and OpenMP libraries that are loaded, to limit their threads."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, unless OMP_NUM_THREADS sets their number.

    More threads do not speed up arrays of a few thousand numbers, and slow them down by a factor of 2 to 60 if another
    process keeps a core busy, because the threads then wait for each other.
    """
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    threads = torch.get_num_threads()
    with libraries().limit(limits=1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def threads_for(operations: float) -> Iterator[None]:
    """Compute on all cores if a dense product or factorisation with this number of operations is large enough."""
    if operations < LARGE or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@cache
def keep_freed_memory() -> None:
    """Let the C library keep up to twice `KEPT` bytes that are free, instead of returning them to the system.

    The GNU library keeps twice the largest block that it mapped and freed so far (mallopt(3), M_MMAP_THRESHOLD). With
    little, arrays that are made and freed in turns cost more time in page faults than in arithmetic.
    """
    torch.empty(KEPT, dtype=torch.uint8)  # it is mapped, never touched, and freed at once


def torch_device(name: str) -> torch.device:
    """Return the device named "auto" (cuda if available), "cpu", "cuda" or "cuda:1".

    Raises ConfigurationError if the name is invalid or the machine does not have the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    named = re.fullmatch(r"cuda(?::([0-9]{1,4}))?", str(name))
    if named is None:
        raise ConfigurationError(f"expected device auto, cpu, cuda or cuda:N, got {name!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count <= int(named[1] or 0):
        raise ConfigurationError(
            f"expected a machine with device={name}, got one with {count} cuda devices; use device=cpu or auto"
        )
    return torch.device(name)


def torch_dtype(name: str) -> torch.dtype:
    """Return the dtype "float64" or "float32"; raise ConfigurationError for another name."""
    if not among(name, DTYPES):
        raise ConfigurationError(f"expected dtype float64 or float32, got {name!r}")
    return DTYPES[name]
