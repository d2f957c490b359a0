"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from kanpde.version import __version__


def machine() -> dict[str, Any]:
    """The processor, its cores and the threads that are used, the memory, and the versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": memory(),
        "system": platform.system(),
        "versions": {"kanpde": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory() -> float | None:
    """The machine's memory in GiB where the system tells it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def described(found: dict[str, Any]) -> str:
    """The machine in a line."""
    memory = "" if found["memory_gib"] is None else f", {found['memory_gib']:g} GiB"
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"{found['cores']} × {found['processor']}{memory}, {found['threads']} threads, {found['system']}; {versions}"
