"""Memory in bytes: as a user writes it, as a computer has it, and as a process holds it."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from kanpde.errors import ConfigurationError, number

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
UNITS.update({f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("kmgt", 1)})
EXPECTED = 'a size such as "4GiB", "500MB" or a number of bytes'
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # the limit of a container on Linux


def bytes_of(name: str, size: object) -> float:
    """Return a size as a number of bytes; raise ConfigurationError that names the setting if it is none."""
    if number(size) and isinstance(size, (int, float)) and size > 0:
        return float(size)
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?i?)b?\s*", size.lower()) if isinstance(size, str) else None
    if found is None or found[2] not in UNITS or float(found[1]) == 0:
        raise ConfigurationError(f"expected {name} to be {EXPECTED}, got {size!r}")
    return float(found[1]) * UNITS[found[2]]


def written(size: float) -> str:
    """Return a number of bytes in GiB or MiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


@cache
def of_machine() -> float | None:
    """Return the bytes of memory of this computer, or of the container; None if the system does not tell them."""
    try:
        whole = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return min(whole, float(CONTAINER.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return whole


def held() -> float:
    """Return the bytes of memory that this process has now; zero if the system does not tell them."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0.0
