"""Files: named tensors and JSON in the safetensors format, atomic writes, and the folders that are shipped.

torch and safetensors are imported where they are needed: a list of problems needs neither.
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

FORMAT = "kanpde"


def write_atomically(path: str | Path, write_to: Callable[[Path], object]) -> None:
    """Let `write_to` write a temporary file, then rename it: a reader sees the old file or the new one."""
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

    # Copies, for the format has no place for one tensor under two names.
    copies = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    data = save(copies, metadata={FORMAT: json.dumps(metadata)})
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def read(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file made by `write`.

    Raises KanpdeError where there is no such file or it is of another kind.
    """
    from safetensors import SafetensorError, safe_open

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
