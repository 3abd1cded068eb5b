"""Types of arguments that several programs take; each refuses what it cannot use in a sentence."""

import argparse
from collections.abc import Callable
from pathlib import Path


def number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


port = number(1, 65535)


def directory(text: str) -> Path:
    """An argparse type: a directory, which is made where there is none."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be made ({error.strerror}); choose another directory"
        ) from error
    return path
