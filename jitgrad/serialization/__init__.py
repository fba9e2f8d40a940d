"""Saving and loading: safe by default, never half a file, and files of PyTorch's too."""

from jitgrad.serialization.allowed import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from jitgrad.serialization.checkpoint import load_checkpoint, save_checkpoint
from jitgrad.serialization.saving import DEFAULT_PROTOCOL, load, save

__all__ = [
    "DEFAULT_PROTOCOL",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "load_checkpoint",
    "safe_globals",
    "save",
    "save_checkpoint",
]
