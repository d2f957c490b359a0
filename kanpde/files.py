"""One-file storage: named tensors and JSON in the safetensors format, written atomically, nothing executable inside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from kanpde.errors import KanpdeError

FORMAT = "kanpde"


def write(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write beside `path` and rename: a reader sees the old file or the new one, never a part."""
    path = Path(path)
    # Copies, for the format has no place for one tensor under two names.
    copies = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    data = save(copies, metadata={FORMAT: json.dumps(metadata)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file made by `write`.

    Raises KanpdeError where there is no such file or it is of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got none; check the path")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = (file.metadata() or {}).get(FORMAT)
            # Copied into memory of their own: products may round otherwise where numbers are not aligned.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got one that cannot be read ({error})") from None
    if metadata is None:
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got safetensors of another program")
    return tensors, json.loads(metadata)


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def shipped(folder: str) -> Path:
    """The shipped ``problems`` or ``conf`` folder.

    A wheel carries it inside the package, a checkout (or an editable install of one) beside the package. Raises
    KanpdeError where neither is there.
    """
    package = Path(__file__).resolve().parent
    # Inside first: beside an installed package stand other people's folders, which may have the same name.
    for place in (package / folder, package.parent / folder):
        if place.is_dir():
            return place
    raise KanpdeError(f"expected the shipped folder {folder!r} in or beside {package}, got none; install kanpde again")
