"""Bodies from mesh files: volumes, what is inside, normals, and files that are no closed surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kanpde import Body, Box
from kanpde.errors import ProblemError

trimesh = pytest.importorskip("trimesh")


def written(mesh: object, folder: Path) -> Path:
    path = folder / "body.stl"
    mesh.export(path)  # type: ignore[attr-defined]
    return path


def bracket() -> object:
    """An L of two boxes: corners and edges that bend inwards and outwards."""
    outline = np.array([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], dtype=float)
    faces = [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5)]
    bottom, top = np.c_[outline, np.zeros(6)], np.c_[outline, np.ones(6)]
    sides = [f for i in range(6) for j in [(i + 1) % 6] for f in ((i, j, 6 + j), (i, 6 + j, 6 + i))]
    caps = [(a, c, b) for a, b, c in faces] + [(6 + a, 6 + b, 6 + c) for a, b, c in faces]
    return trimesh.Trimesh(np.r_[bottom, top], caps + sides)


def test_a_bracket_is_what_its_boxes_are(tmp_path: Path) -> None:
    body = Body(written(bracket(), tmp_path))
    boxes = Box(x=(0, 2), y=(0, 1), z=(0, 1)) | Box(x=(0, 1), y=(0, 2), z=(0, 1))
    points = np.random.default_rng(0).uniform(-0.5, 2.5, (4000, 3))
    assert np.array_equal(body.contains(points), boxes.contains(points))
    assert body.measure == pytest.approx(3, rel=1e-10)
    assert body.face_measure(body.faces["rim"]) == pytest.approx(14, rel=1e-12)
    assert body.low.tolist() == [0, 0, 0] and body.high.tolist() == [2, 2, 1]


@pytest.mark.parametrize("shape", ["icosphere", "capsule", "torus", "annulus"])
def test_points_and_normals(shape: str, tmp_path: Path) -> None:
    settings = {"torus": {"major_radius": 1, "minor_radius": 0.3}, "annulus": {"r_min": 0.5, "r_max": 1, "height": 3}}
    mesh = getattr(trimesh.creation, shape)(**settings.get(shape, {}))
    body = Body(written(mesh, tmp_path), name="skin")
    assert body.measure == pytest.approx(mesh.volume, rel=1e-6)
    points, normals, weights = body.face_points("skin", 3000)
    assert (points * normals).sum(axis=1) @ weights == pytest.approx(3 * mesh.volume, rel=0.01)
    for at, out, _ in ((points, normals, weights), body.sample_face("skin", 128)):
        assert np.abs(body.inside(at)).max() < 1e-12
        assert (body.inside(at - 1e-5 * out) < 0).mean() > 0.99 and (body.inside(at + 1e-5 * out) > 0).mean() > 0.99
    assert (body.inside(body.sample_interior(500)) < 1e-12).all()


def test_files_that_are_no_closed_surface(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="which is no file"):
        Body(tmp_path / "none.stl")
    broken = tmp_path / "broken.stl"
    broken.write_text("no mesh")
    with pytest.raises(ProblemError, match="broken.stl") as refused:
        Body(broken)
    assert "\n" not in str(refused.value)
    mesh = trimesh.creation.icosphere()
    mesh.update_faces(np.arange(len(mesh.faces)) > 3)
    with pytest.raises(ProblemError, match="a closed surface, got one with holes"):
        Body(written(mesh, tmp_path))
