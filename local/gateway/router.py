"""The route of a request: static before `{param}` before `{proxy+}`, as API Gateway does.

A REST API chooses the resource by its path alone and only then looks for its method: rows
1.15, the most specific resource, and 1.30, no such route.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Routed(Protocol):
    """A target as a router sees it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=Routed)

DEFAULT = "$default"  # the path of an HTTP API's route that takes what no other does


class _Node(Generic[T]):
    """A resource, or a part of the way to one."""

    __slots__ = ("greedy", "parameter", "static", "targets")

    def __init__(self) -> None:
        self.static: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.greedy: dict[str, T] = {}  # targets by method, of {proxy+} below this node
        self.targets: dict[str, T] = {}


class Router(Generic[T]):
    """The routes of an API as a tree of path segments."""

    def __init__(self, targets: Iterable[T]) -> None:
        self._root: _Node[T] = _Node()
        self._static: dict[str, dict[str, T]] = {}  # a shortcut: whole paths without parameters
        for target in targets:
            self._add(target)

    def match(self, method: str, path: str) -> tuple[T, dict[str, str] | None] | None:
        """Return the target of `method` on `path` with its path parameters (None without any)."""
        targets = self._static.get(path)
        if targets is not None:
            target = targets.get(method)
            return None if target is None else (target, None)
        segments = path.strip("/").split("/") if path.strip("/") else []
        resource = _find(self._root, segments, 0)
        if resource is None:
            return None
        target = resource.get(method)
        return None if target is None else (target, _parameters(target.path, segments))

    def _add(self, target: T) -> None:
        if "{" not in target.path:
            self._static.setdefault(target.path, {})[target.method] = target
        node = self._root
        for segment in _segments(target.path):
            if segment.endswith("+}"):
                node.greedy[target.method] = target
                return
            node = _child(node, segment)
        node.targets[target.method] = target


class MethodRouter(Generic[T]):
    """The routes of an HTTP API: only those of the method count, and one may take the rest."""

    def __init__(self, targets: Iterable[T]) -> None:
        targets = list(targets)
        self._default = {each.method: each for each in targets if each.path == DEFAULT}
        methods = {each.method for each in targets}
        self._routers = {
            method: Router(
                each for each in targets if each.method == method and each.path != DEFAULT
            )
            for method in methods
        }

    def match(self, method: str, path: str) -> tuple[T, dict[str, str] | None] | None:
        """Return the target of `method` on `path` with its path parameters (None without any)."""
        router = self._routers.get(method)
        match = router.match(method, path) if router else None
        if match is None and method in self._default:
            return self._default[method], None
        return match


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _child(node: _Node[T], segment: str) -> _Node[T]:
    if segment.startswith("{"):
        if node.parameter is None:
            node.parameter = _Node()
        return node.parameter
    return node.static.setdefault(segment, _Node())


def _find(node: _Node[T], segments: list[str], depth: int) -> dict[str, T] | None:
    """Return the targets of the most specific resource below `node`, as deep as the routes are."""
    if depth == len(segments):
        return node.targets or None
    segment = segments[depth]
    resource = None
    if segment in node.static:
        resource = _find(node.static[segment], segments, depth + 1)
    if resource is None and node.parameter is not None and segment:
        resource = _find(node.parameter, segments, depth + 1)
    return resource or node.greedy or None


def _parameters(path: str, segments: list[str]) -> dict[str, str] | None:
    """Return the values in `segments` by their names in `path`, still percent-encoded."""
    parameters = {}
    for index, name in enumerate(_segments(path)):
        if name.endswith("+}"):
            parameters[name[1:-2]] = "/".join(segments[index:])
        elif name.startswith("{"):
            parameters[name[1:-1]] = segments[index]
    return parameters or None
