"""Where the shipped files are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from kanpde.errors import KanpdeError


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
