"""Describe the machine on which the numbers were measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from kanpde.files import __version__


def machine() -> dict[str, Any]:
    """Return the processor, its cores, the number of threads in use, the memory, and the versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": memory(),
        "system": platform.system(),
        "versions": {"kanpde": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def processor() -> str:
    """Return the processor's name, or the architecture if the system does not report a name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory() -> float | None:
    """Return the machine's memory in GiB; None if the system does not report it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def describe_machine(given: dict[str, Any]) -> str:
    """Return one line about a machine as `machine` returns it."""
    memory = "" if given["memory_gib"] is None else f", {given['memory_gib']:g} GiB"
    versions = ", ".join(f"{name} {version}" for name, version in given["versions"].items())
    return f"{given['cores']} × {given['processor']}{memory}, {given['threads']} threads, {given['system']}; {versions}"
