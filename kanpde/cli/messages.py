"""Explain errors in one line, Hydra's own errors included."""

from __future__ import annotations

import traceback

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from kanpde.errors import nearest


def explain(error: BaseException) -> str:
    """Return one line that says what was expected, what was got and what to do."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"unknown {group} {name!r}; {nearest(name, error.options or ())}"
    if isinstance(error, OverrideParseException):
        commands = "list, new, show, resume, export, bench"
        return f"expected KEY=VALUE, or one of {commands}, got {error.override!r}; see kanpde --help"
    if (
        isinstance(cause, OmegaConfBaseException)
        and isinstance(cause.parent_node, DictConfig)
        and cause.key is not None
    ):
        known = [str(key) for key in cause.parent_node if key != "hydra"]
        return f"unknown setting {cause.full_key!r}; {nearest(str(cause.key), known)}"
    return " ".join(f"{error} {cause or ''}".split()) if isinstance(error, HydraException) else str(error)


def raised_by_hydra(error: BaseException) -> bool:
    """Return whether Hydra raised the error, because Hydra reports some wrong words as plain ValueErrors."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("hydra.")
