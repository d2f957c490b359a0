"""Diagnose the network of a run or of a file: one table, and a figure of the most important edge of every layer."""

from __future__ import annotations

from pathlib import Path

import torch

from kanpde.errors import ConfigurationError
from kanpde.files import relative_path, write_json
from kanpde.readable.diagnosis import Diagnosis, diagnose
from kanpde.readable.source import layers_of, network_of, points_of
from kanpde.runs import console
from kanpde.runs.run_folder import SOLUTION
from kanpde.solution import Solution

RESOLUTION = 801  # points of a drawn edge


def run(place: Path) -> None:
    """Diagnose ``place``, a run's folder or a file of `Solution.save`; write the results into a folder beside it.

    Raises KanpdeError if there is no solution, or if its network is not a KAN.
    """
    file = place / SOLUTION if place.is_dir() else place
    if not file.is_file():
        raise ConfigurationError(f"expected a run's folder or a .kan file, got {place}; give the folder after 'run:'")
    solution = Solution.load(file)
    found = diagnose(solution)
    folder = file.parent / ("diagnosis" if place.is_dir() else f"{file.stem}_diagnosis")
    folder.mkdir(exist_ok=True)
    write_json(folder / "diagnosis.json", found.to_json())
    console.diagnosis(solution.problem.name, found.to_json())
    for path in draw(solution, found, folder):
        print(relative_path(path))


def draw(solution: Solution, found: Diagnosis, folder: Path) -> list[Path]:
    """Draw the most important edge of every layer and return the paths."""
    from kanpde.plots import write_figure
    from kanpde.plots.edge import edge_figure

    network, written = network_of(solution), []
    with torch.no_grad():
        entering = network.node_values(points_of(solution))
        for number, (layer, values, one) in enumerate(
            zip(layers_of(network), entering, found.layers, strict=True), start=1
        ):
            i, o = one.important
            low, high = (end[i] for end in layer.basis.range())
            grid = low + (high - low) * torch.linspace(0, 1, RESOLUTION).to(low)
            inputs = grid[:, None].expand(-1, layer.basis.inputs)
            features = layer.features(inputs, 1)
            parts = layer.basis.features(inputs, 1)[i, 0] * layer.coefficients[i, :, o]
            curve = layer.edges(features)[0][:, i, o]
            title = f"{solution.problem.name}: layer {number}, from input {i} to subnode {o}"
            arrays = (each.double().cpu().numpy() for each in (grid, parts.T, curve, values[:, i]))
            at, basis, whole, seen = arrays
            path = folder / f"edge_{number}.png"
            write_figure(edge_figure(title, layer.basis.breakpoints()[i], at, basis, whole, seen), path)
            written.append(path)
    return written
