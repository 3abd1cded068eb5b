"""Regular expressions of filters: PCRE's syntax as far as Python's means the same, bounded in time.

What the two read differently is refused by name: \\Z, \\h, POSIX classes, backreferences, named
groups, lookbehind, options inside a pattern and the option "m".
"""

import re
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from bson.regex import Regex

from local.documents.errors import DocumentsError, refused

MATCH_S = 0.1  # for one value: some patterns need for ever, and everybody else waits
PATTERN_BYTES_MAX = 16_384  # MongoDB has 32764 and a compiler that is faster
_FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "x": re.VERBOSE, "u": re.NOFLAG}
_ESCAPES = frozenset("AdDwWsSbBnrtf")
_ASCII_ONLY = frozenset("dDwWsSbB")
# An escape, the head of a group or of a POSIX class, or a quantifier that PCRE takes as text.
_SPECIAL = re.compile(r"\\(.?)|\((\?.?|\*)|\[(\[?[:.=])|\{,", re.DOTALL)


def pattern(operand: Any, letters: Any = None) -> Callable[[Any], bool]:
    """Return the function that tells whether a value matches."""
    source, letters = _parts(operand, letters)
    flags = re.NOFLAG
    for letter in letters:
        if letter not in _FLAGS:
            raise refused("$options", "m") if letter == "m" else _invalid(f"flag {letter}")
        flags |= _FLAGS[letter]
    if len(source.encode()) > PATTERN_BYTES_MAX or "\0" in source:
        raise _invalid(f"longer than {PATTERN_BYTES_MAX} bytes, or with a NUL")
    try:
        compiled = re.compile(source, flags | _check(source, flags))
    except (re.error, OverflowError, RecursionError) as error:
        raise _invalid(str(error)) from error
    signal.signal(signal.SIGALRM, _end)
    return lambda value: (
        _search(compiled, value)
        if isinstance(value, str)
        else isinstance(value, Regex) and (value.pattern, value.flags) == (source, int(flags))
    )


def _parts(operand: Any, letters: Any) -> tuple[str, str]:
    if letters is not None and not isinstance(letters, str):
        raise DocumentsError(2, "$options has to be a string")
    if isinstance(operand, Regex):
        own = "".join(name for name in "imsx" if operand.flags & getattr(re, name.upper()))
        if letters is not None and own:
            raise DocumentsError(51075, "options set in both $regex and $options")
        return str(operand.pattern), letters or own
    if not isinstance(operand, str):
        raise DocumentsError(2, "$regex has to be a string")
    return operand, letters or ""


def _check(source: str, flags: int) -> int:
    """Refuse what Python reads otherwise; return the flag that makes \\w and others ASCII."""
    needs_ascii = False
    for special in _SPECIAL.finditer(source):
        escape, group, posix = special.groups()
        ordinary = escape is not None and (escape in _ESCAPES or not escape.isalnum())
        if not ordinary and group not in ("?:", "?=", "?!"):
            raise refused("in a regular expression,", special[0] or str(posix))
        needs_ascii |= escape is not None and escape in _ASCII_ONLY
    if needs_ascii and flags & re.IGNORECASE and not source.isascii():
        raise refused("in a regular expression,", "classes and other letters with the option i")
    return re.ASCII if needs_ascii else 0


def _search(compiled: re.Pattern[str], text: str) -> bool:
    """Search in one text, for a bounded time: the engine looks for signals while it runs."""
    signal.setitimer(signal.ITIMER_REAL, MATCH_S)
    try:
        return compiled.search(text) is not None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end(*_: Any) -> NoReturn:
    raise DocumentsError(50, f"a regular expression took more than {MATCH_S} s for one value")


def _invalid(reason: str) -> DocumentsError:
    return DocumentsError(51091, f"Regular expression is invalid: {reason}")
