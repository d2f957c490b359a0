"""Read and write named tensors and JSON in the safetensors format, write atomically, and find the shipped folders.

torch and safetensors are imported inside the functions, because listing problems needs neither.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanpde.errors import KanpdeError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FORMAT = "kanpde"  # the key of the JSON in the metadata of a safetensors file


def write_atomically(path: str | Path, write_to: Callable[[Path], object]) -> None:
    """Let `write_to` write a temporary file and rename it to `path`, so that `path` is never incomplete."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_to(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and metadata to `path`, atomically."""
    import torch
    from safetensors.torch import save

    # Copied, because the format cannot store one tensor under two names.
    copies = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    data = save(copies, metadata={FORMAT: json.dumps(metadata)})
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def read(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and metadata of a file made by `write`.

    Raises KanpdeError if the file does not exist, cannot be read, or was not written by kanpde.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got none; check the path")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = (file.metadata() or {}).get(FORMAT)
            # Copied into aligned memory, because the alignment of a tensor can change the rounding of products.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got one that cannot be read ({error})") from None
    if metadata is None:
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got safetensors of another program")
    return tensors, json.loads(metadata)


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, with the prefix removed."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def shipped(folder: str) -> Path:
    """Return the path of the shipped ``problems`` or ``conf`` folder.

    A wheel contains it inside the package; a checkout (or an editable install of one) contains it next to the package.
    Raises KanpdeError if both are missing.
    """
    package = Path(__file__).resolve().parent
    # Inside first, because the folders next to an installed package may have the same name.
    for place in (package / folder, package.parent / folder):
        if place.is_dir():
            return place
    raise KanpdeError(f"expected the shipped folder {folder!r} in or beside {package}, got none; install kanpde again")
