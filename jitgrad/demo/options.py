"""Reading options: a parser that complains in one line, and the kinds of values it reads."""

import argparse
import importlib.util
import math
import os
from pathlib import Path
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (options: {self.prog} --help)\n")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too small: give 1 or more")
    return number


def whole(text: str) -> int:
    """Read a whole number of at least 0 that fits in 63 bits."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: give 0 to 2**63 - 1")
    return number


def rate(text: str) -> float:
    """Read a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: give a number above 0")
    return number


def png(text: str) -> Path:
    """Read the name of a PNG file, and check that it can be drawn and written.

    It is asked before any work begins, so that nobody waits in vain.
    """
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png, the only format drawn")
    check_writable(text)
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("a plot needs matplotlib: pip install 'jitgrad[plot]'")
    return path


def writable(text: str) -> Path:
    """Read the name of a file that can be written."""
    check_writable(text)
    return Path(text)


def check_writable(text: str) -> None:
    """Raise the parser's error, with what to do, where no file of this name can be written."""
    path = Path(text)
    reason = None
    if path.is_dir() or text.endswith(os.sep):
        reason = "is a folder: name a file"
    elif not path.parent.is_dir():
        reason = f"lies in no folder: make {str(path.parent)!r} first"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        reason = "cannot be written: choose another folder"
    if reason:
        raise argparse.ArgumentTypeError(f"{text!r} {reason}")
