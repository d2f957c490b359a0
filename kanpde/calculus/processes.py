"""Processes that share the rows of a training: which one this is, its share, and sums over all of them.

``torchrun --nproc-per-node=4 -m kanpde ...`` starts equal processes and tells each of them its number. All take the
same steps from the same numbers; each evaluates its share of the rows, and sums over rows are sums over all processes.
Only this file knows torch.distributed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import torch
from torch import Tensor

from kanpde.errors import KanpdeError, reason

TIMEOUT = timedelta(minutes=10)  # after which a process that does not answer counts as lost


def rank() -> int:
    """Return the number of this process; 0 if it is alone."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def count() -> int:
    """Return the number of processes, as torchrun has set it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def local_rank() -> int:
    """Return the number of this process among those on its machine, which is the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def total(values: Tensor) -> Tensor:
    """Return the sums (...) over all processes, with the same bits in each of them."""
    if count() == 1:
        return values
    found = values.detach().clone(memory_format=torch.contiguous_format)
    with connected():
        torch.distributed.all_reduce(found)
    return found


def same(values: list[float]) -> list[float]:
    """Return the numbers of the first process."""
    if count() == 1:
        return values
    found = torch.tensor(values, dtype=torch.float64)
    with connected():
        torch.distributed.broadcast(found, 0)
    return found.tolist()


def anywhere(here: bool) -> bool:
    """Return True if this holds in any process."""
    return bool(total(torch.tensor(float(here), dtype=torch.float64)) > 0)


def stacked(rows: Tensor) -> Tensor:
    """Return the rows (n, m) of all processes, one below the other; n may differ between them."""
    if count() == 1:
        return rows
    lengths = torch.zeros(count(), dtype=torch.long, device=rows.device)
    lengths[rank()] = len(rows)
    counts = total(lengths).tolist()
    room = rows.new_zeros(max(counts), *rows.shape[1:])
    room[: len(rows)] = rows
    parts = [torch.empty_like(room) for _ in counts]
    with connected():
        torch.distributed.all_gather(parts, room)
    return torch.cat([part[:length] for part, length in zip(parts, counts, strict=True)])


@contextmanager
def connected() -> Iterator[None]:
    """Connect the processes, and turn the loss of one into a KanpdeError of one line."""
    try:
        _connect()
        yield
    except RuntimeError as error:  # torch's errors of connections derive from it
        raise KanpdeError(
            f"expected an answer of {count()} processes, got none from one of them ({reason(error)[:80]}); the run ends, "
            "and kanpde resume goes on from its last checkpoint with any number of processes"
        ) from error


@cache
def _connect() -> None:
    """Let the processes find each other, once; sums of a GPU's tensors are made by NCCL."""
    nccl = torch.cuda.is_available() and torch.distributed.is_nccl_available()
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo", timeout=TIMEOUT)
