"""`python -m local`, or `spillway`: the command line's start, and the refusal of a wrong Python."""

import sys

EXIT_USAGE = 2
OLDEST = (3, 11)


def main() -> int:
    """Run the command that the arguments name; return its exit code."""
    if sys.version_info < OLDEST:
        return _refuse("it needs Python {}.{} or newer".format(*OLDEST))
    try:
        from local.commands import program  # noqa: PLC0415 - its libraries may be missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("local"):
            raise
        return _refuse(f"the library {error.name} is missing")
    return program.main()


def _refuse(reason: str) -> int:
    version = "{}.{}".format(*sys.version_info)
    sys.stderr.write(
        f"this cannot run on Python {version} ({sys.executable}): {reason};"
        " `make up` installs all into .venv, which `. .venv/bin/activate` makes this shell use\n"
    )
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
