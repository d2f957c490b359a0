"""Processes that share the rows of a training: which one this is, its share, and sums over all of them.

``torchrun --nproc-per-node=4 -m kanpde ...`` starts equal processes and tells each of them its number. All take the
same steps from the same numbers; each evaluates its share of the rows, and sums over rows are sums over all processes.
Only this file knows torch.distributed, and torch is imported when it is needed.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from kanpde.errors import KanpdeError

if TYPE_CHECKING:
    from torch import Tensor

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


@contextmanager
def alone() -> Iterator[None]:
    """Let this process go on in the block as if there were no others."""
    known = os.environ.pop("RANK", None)
    try:
        yield
    finally:
        if known is not None:
            os.environ["RANK"] = known


@contextmanager
def silent() -> Iterator[str]:
    """Let a process say nothing but tracebacks in the block, and give it a folder that is removed at the end."""
    sys.excepthook = lambda *error: traceback.print_exception(*error, file=sys.__stderr__)
    with open(os.devnull, "w", encoding="utf-8") as nothing, tempfile.TemporaryDirectory() as folder:
        streams = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = nothing
        try:
            yield folder
        finally:
            sys.stdout, sys.stderr = streams


def total(values: Tensor) -> Tensor:
    """Return the sums (...) over all processes, with the same bits in each of them."""
    if count() == 1:
        return values
    import torch

    found = values.detach().clone(memory_format=torch.contiguous_format)
    with connected():
        torch.distributed.all_reduce(found)
    return found


def same(values: list[float]) -> list[float]:
    """Return the numbers of the first process."""
    if count() == 1:
        return values
    import torch

    found = torch.tensor(values, dtype=torch.float64)
    with connected():
        torch.distributed.broadcast(found, 0)
    return [float(each) for each in found]


def anywhere(here: bool) -> bool:
    """Return True if this holds in any process."""
    if count() == 1:
        return here
    import torch

    return bool(total(torch.tensor(float(here), dtype=torch.float64)) > 0)


def stacked(rows: Tensor) -> Tensor:
    """Return the rows (n, m) of all processes, one below the other; n may differ between them."""
    if count() == 1:
        return rows
    import torch

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
            f"expected the sums of {count()} processes, got no answer from one of them: it was lost; continue from the "
            "last checkpoint with kanpde resume, with any number of processes"
        ) from error


@cache
def _connect() -> None:
    """Let the processes find each other, once; sums of a GPU's tensors are made by NCCL."""
    import torch

    nccl = torch.cuda.is_available() and torch.distributed.is_nccl_available()
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo", timeout=TIMEOUT)
    # A connection that is open when the interpreter ends can abort it after another process was lost.
    atexit.register(torch.distributed.destroy_process_group)
