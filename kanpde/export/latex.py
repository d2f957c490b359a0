"""The formula of a solution as LaTeX."""

from __future__ import annotations

from pathlib import Path

from kanpde.errors import ConfigurationError
from kanpde.export.exportable import Exportable
from kanpde.files import write_text


def write(path: Path, solution: Exportable) -> None:
    """Write the formula; raise ConfigurationError if none was found or looked for."""
    if solution.formula is None or not solution.formula.expressions:
        raise ConfigurationError("expected a formula for .tex, got none; call symbolify() first, or use another ending")
    write_text(path, solution.formula.latex() + "\n")
