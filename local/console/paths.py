"""Paths with parameters: `/api/functions/{name}` matches `/api/functions/Pages`."""

import re
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")
_PARAMETER = re.compile(r"\{(\w+)\}")


class Paths(Generic[T]):
    """Values by path; one without a parameter goes before those that have some."""

    def __init__(self) -> None:
        self._fixed: dict[str, T] = {}
        self._patterns: list[tuple[re.Pattern[str], T]] = []
        self.paths: list[str] = []

    def add(self, path: str, value: T) -> None:
        """Give `path` its value."""
        self.paths.append(path)
        if "{" not in path:
            self._fixed[path] = value
            return
        parts = _PARAMETER.split(path)  # every second one is a parameter's name
        pattern = "".join(
            f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
        self._patterns.append((re.compile(pattern), value))

    def match(self, path: str) -> tuple[T, dict[str, str]] | None:
        """Return the value of a path with the path's parameters, or None."""
        if path in self._fixed:
            return self._fixed[path], {}
        for pattern, value in self._patterns:
            if match := pattern.fullmatch(path):
                return value, {name: unquote(text) for name, text in match.groupdict().items()}
        return None
