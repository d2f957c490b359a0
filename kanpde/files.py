"""Read and write named tensors and JSON in the safetensors format, write atomically, and find folders and paths.

torch and safetensors are imported inside the functions, because listing problems needs neither.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanpde.errors import KanpdeError, reason

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__version__ = "0.1.0"  # every file names the version that wrote it

FORMAT = "kanpde"  # the key of the JSON in the metadata of a safetensors file
DIGEST = "sha256"  # the key of the checksum of that JSON and of all tensors
# The errors that code raises which relies on the contents of a file that somebody changed.
UNFIT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def write_atomically(path: str | Path, write_to: Callable[[Path], object]) -> None:
    """Let `write_to` write a temporary file and rename it to `path`, so that `path` is never incomplete."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_to(temporary)
        temporary.replace(path)
    except OSError as error:
        # A full disk fails without the name of the file.
        raise error if error.errno is None else OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and metadata to `path`, atomically."""
    import torch
    from safetensors.torch import save

    # Copied, because the format cannot store one tensor under two names.
    copies = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    text = json.dumps(metadata)
    data = save(copies, metadata={FORMAT: text, DIGEST: digest(copies, text)})
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def read(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and metadata of a file made by `write`.

    Raises KanpdeError if the file does not exist, cannot be read, was not written by kanpde, or was changed since.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got none; check the path")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            known = file.metadata() or {}
            # Copied into aligned memory, because the alignment of a tensor can change the rounding of products.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        text = known.get(FORMAT)
        damaged = text is not None and known.get(DIGEST) != digest(tensors, text)
    except SafetensorError as error:
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got one that cannot be read ({error})") from None
    if text is None:
        raise KanpdeError(f"expected a file saved by kanpde at {path}, got safetensors of another program")
    if damaged:
        raise KanpdeError(
            f"expected a file at {path} as kanpde saved it, got one with another checksum: it is damaged, or of an "
            "older version; take a copy or run again"
        )
    return tensors, json.loads(text)


def digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the SHA-256 checksum of tensors and a text."""
    import torch

    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


@contextmanager
def contents_of(path: str | Path) -> Iterator[None]:
    """Turn every error that the contents of the file at `path` cause in the block into one KanpdeError of one line."""
    try:
        yield
    except KanpdeError:
        raise
    except UNFIT as error:
        raise KanpdeError(
            f"expected at {path} what kanpde wrote there, got contents that do not fit ({reason(error)}); take a copy "
            "or run again"
        ) from error


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON with a checksum, atomically; infinities and NaN become null."""
    values = json_value(values)
    write_text(path, json.dumps({**values, DIGEST: _digest_of(values)}, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return what `write_json` wrote, or an older version without a checksum; raise KanpdeError if it is damaged."""
    with contents_of(path):
        values = json.loads(path.read_text(encoding="utf-8"))
        known = values.pop(DIGEST, None)
        if known is not None and known != _digest_of(values):
            raise ValueError("another checksum")
        return dict(values)


def _digest_of(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


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


def relative_path(path: Path) -> str:
    """Return the path relative to the working folder if it lies inside, else the absolute path."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def write_text(path: Path, text: str) -> None:
    """Write text atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def json_value(value: Any) -> Any:
    """Return the value with None in place of every infinity and NaN, because JSON cannot represent them."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
