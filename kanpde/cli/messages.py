"""Explain errors in one line, Hydra's own errors included."""

from __future__ import annotations

import traceback

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from kanpde.errors import nearest


def explain(error: BaseException) -> str:
    """Return one line that says what was expected, what was got and what to do."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"unknown {group} {name!r}; {nearest(name, error.options or ())}"
    if isinstance(error, OverrideParseException):
        return unread(error.override)
    if (
        isinstance(cause, (ConfigAttributeError, ConfigKeyError))
        and isinstance(cause.parent_node, DictConfig)
        and cause.key is not None
    ):
        known = [str(key) for key in cause.parent_node if key != "hydra"]
        return f"unknown setting {cause.full_key!r}; {nearest(cause.key, known)}"
    if isinstance(error, HydraException) and isinstance(cause, OmegaConfBaseException):
        return explain(cause)
    if isinstance(error, OmegaConfBaseException):
        # The other lines of OmegaConf's messages are the setting and the type of its parent.
        said = str(error.msg or error).splitlines()[0]
        return f"{error.full_key}: {said}" if error.full_key and error.full_key not in said else said
    return " ".join(f"{error} {cause or ''}".split()) if isinstance(error, HydraException) else str(error)


def unread(word: str) -> str:
    """Return the message about a word of the command line that Hydra cannot read."""
    key, equals, value = word.partition("=")
    if equals and key.isascii() and key.strip():
        quoted = f"{key}='{value}'"
        return (
            f"expected KEY=VALUE with a value that Hydra can read, got {word!r}; put quotes inside quotes around words "
            f'with other characters: "{quoted}"'
        )
    known = "list, new, show, resume, export, fit, compare, diagnose, bench"
    return f"expected KEY=VALUE, or one of {known}, got {word!r}; see kanpde --help"


def raised_by_hydra(error: BaseException) -> bool:
    """Return whether Hydra raised the error, because Hydra reports some wrong words as plain ValueErrors."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("hydra.")
