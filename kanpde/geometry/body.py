"""Bodies in space whose closed surface of triangles stands in a file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import Pieces
from kanpde.geometry.names import coordinates_of, face_name, fixed
from kanpde.geometry.shape import Shape
from kanpde.geometry.triangles import Triangles


class Body(Shape):
    """The body within the closed surface of an STL, OBJ, PLY or another mesh file; its face is "rim", or `name`.

    Needs the package trimesh (the extra ``kanpde[bodies]``). Raises ProblemError if it is missing, if the file cannot
    be read, or if its surface is not closed.
    """

    def __init__(
        self, path: str | PathLike[str], *, coordinates: Sequence[str] | None = None, name: str | None = None
    ) -> None:
        self.names, self.name = coordinates_of(coordinates, 3, "Body"), face_name(name, "Body") or "rim"
        self.path = fspath(path)
        self.surface = Triangles(_triangles(self.path))
        low, high = self.surface.extent
        self.low, self.high = fixed(low), fixed(high)

    @functools.cached_property
    def pieces(self) -> Pieces:
        return {self.name: (self.surface,)}

    def level(self, points: Tensor) -> Tensor:
        """Return the signed distance; it cannot be differentiated."""
        flat = points.detach().cpu().double().numpy().reshape(-1, 3)
        return torch.as_tensor(self.surface.signed_distance(flat)).to(points).reshape(points.shape[:-1])

    @property
    def measure(self) -> float:
        return self.surface.volume

    @property
    def steady(self) -> bool:
        return False

    @property
    def key(self) -> tuple[Any, ...]:
        return self.path, self.surface.corners.tobytes(), self.name

    def __repr__(self) -> str:
        return f"Body({self.path!r})"


def _triangles(path: str) -> Array:
    """Return the triangles (n, 3, 3) of a closed surface, anticlockwise when they are seen from outside."""
    try:
        import trimesh
    except ImportError:
        raise ProblemError("Body expects the package trimesh, got none; pip install 'kanpde[bodies]'") from None
    if not Path(path).is_file():
        raise ProblemError(f"Body expects a mesh file such as part.stl, got {path!r}, which is no file")
    try:
        mesh: Any = trimesh.load_mesh(path)
        corners = np.array(mesh.triangles, dtype=np.float64)
        closed = bool(mesh.is_watertight and mesh.is_winding_consistent)
    except Exception as error:  # trimesh raises what the reader of the format raises
        reason = " ".join(str(error).split())
        raise ProblemError(f"Body cannot read {path}: {type(error).__name__}: {reason}") from error
    if not closed:
        raise ProblemError(f"Body expects a closed surface, got one with holes or twists in {path}; repair the mesh")
    return corners if Triangles(corners).volume > 0 else corners[:, ::-1].copy()
