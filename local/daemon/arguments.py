"""Arguments that several programs take; each refuses what it cannot use in a sentence."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PROGRAM = "spillway" if Path(sys.argv[0]).name == "spillway" else "python -m local"
EXIT_USAGE = 2
TEMPLATES = ("template.yaml", "template.yml", "template.json")


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one sentence; its help has the usage."""

    def error(self, message: str) -> NoReturn:
        """Refuse with status 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; `{self.prog} --help` says more\n")


def number(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


port = number(1, 65535)


def directory(text: str) -> Path:
    """Return the directory that a text names, made where there is none."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be made ({error.strerror}); choose another directory"
        ) from error
    return path


def assignment(text: str) -> tuple[str, str]:
    """Return the key and the value of KEY=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no KEY=VALUE")
    return name, value


def add_number(
    parser: argparse.ArgumentParser,
    *flags: str,
    bounds: tuple[int, int],
    default: int,
    what: str,
    unit: str = "NUMBER",
    variable: str | None = None,
) -> None:
    """Add an option, or the environment's `variable`, for a whole number within `bounds`."""
    source = f"or {variable}; " if variable else ""
    parser.add_argument(
        *flags,
        type=number(*bounds),
        default=os.environ.get(variable, str(default)) if variable else str(default),
        metavar=unit,
        help=f"{what} ({source}default: %(default)s)",
    )


def add_template(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a template; `local.template.options` reads it."""
    parser.add_argument(
        "--template",
        type=Path,
        default=default_template(),
        help="SAM template (default: %(default)s)",
    )
    parser.add_argument(
        "--parameter",
        dest="parameters",
        type=assignment,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="value of one of the template's Parameters; may be given again",
    )
    parser.add_argument(
        "--allow-unsupported",
        action="store_true",
        help="leave out what the template has and this machine cannot emulate",
    )


def default_template() -> Path:
    """Return the template of this folder, as SAM looks for it."""
    return next(filter(Path.is_file, map(Path, TEMPLATES)), Path(TEMPLATES[0]))


def add_state(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--state",
        type=directory,
        default=".local",
        help=f"directory of {what} (default: %(default)s)",
    )


def add_python(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--python",
        default=sys.executable,
        metavar="PATH",
        help="Python that functions run on (default: the one that runs this)",
    )


def add_host(parser: argparse.ArgumentParser, flag: str = "--host") -> None:
    parser.add_argument(
        flag,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: %(default)s)",
    )


def add_port(parser: argparse.ArgumentParser, flag: str, default: int, what: str) -> None:
    parser.add_argument(
        flag, type=port, default=default, metavar="PORT", help=f"{what} (default: %(default)s)"
    )
