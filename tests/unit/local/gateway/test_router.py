"""The route of a path: rows 1.5, 1.15, 1.16 and 1.30."""

from typing import NamedTuple

import pytest

from local.gateway.router import Router


class Target(NamedTuple):
    method: str
    path: str


def router(*paths: str) -> Router[Target]:
    return Router(Target("GET", path) for path in paths)


def route_of(paths: tuple[str, ...], path: str) -> tuple[str, dict[str, str] | None] | None:
    match = router(*paths).match("GET", path)
    return match and (match[0].path, match[1])


TREE = (
    "/",
    "/part1/hardcoded",
    "/part1/hardcoded/{value}",
    "/part1/{param}",
    "/{param+}",
    "/files/{name}/raw",
    "/files/{rest+}",
)


@pytest.mark.row("1.15")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ("/", None)),
        ("/part1/hardcoded", ("/part1/hardcoded", None)),
        ("/part1/other", ("/part1/{param}", {"param": "other"})),
        ("/part1/hardcoded/x", ("/part1/hardcoded/{value}", {"value": "x"})),
        ("/part1", ("/{param+}", {"param": "part1"})),
        ("/part1/other/x", ("/{param+}", {"param": "part1/other/x"})),
        ("/files/a/raw", ("/files/{name}/raw", {"name": "a"})),
        ("/files/a/cooked", ("/files/{rest+}", {"rest": "a/cooked"})),
        ("/anything/at/all", ("/{param+}", {"param": "anything/at/all"})),
    ],
)
def test_static_comes_before_a_parameter_and_that_before_a_greedy_one(path, expected):
    assert route_of(TREE, path) == expected


@pytest.mark.row("1.5")
def test_a_trailing_slash_reaches_the_same_resource():
    assert route_of(("/a/{id}",), "/a/1/") == ("/a/{id}", {"id": "1"})
    assert route_of(("/a",), "/a/") == ("/a", None)
    assert route_of(("/a/{rest+}",), "/a/b/c/") == ("/a/{rest+}", {"rest": "b/c"})


@pytest.mark.row("1.7")
def test_parameters_stay_percent_encoded():
    assert route_of(("/a/{id}",), "/a/b%2Fc+d") == ("/a/{id}", {"id": "b%2Fc+d"})


@pytest.mark.row("1.6")
def test_a_double_slash_is_kept_inside_a_greedy_parameter():
    assert route_of(("/a/{rest+}",), "/a/b//c") == ("/a/{rest+}", {"rest": "b//c"})


def test_an_empty_segment_is_no_parameter():
    assert route_of(("/a/{id}/b",), "/a//b") is None


def test_a_path_without_route_has_none():
    assert route_of(("/a/{id}",), "/b") is None
    assert route_of(("/a/{id}",), "/a") is None
    assert route_of(("/a/{id}",), "/a/1/2") is None
    assert route_of((), "/") is None


@pytest.mark.row("1.30")
def test_the_resource_is_chosen_before_the_method():
    routes = Router([Target("GET", "/a"), Target("POST", "/{rest+}")])

    assert routes.match("POST", "/a") is None
    assert routes.match("POST", "/b") == (Target("POST", "/{rest+}"), {"rest": "b"})


@pytest.mark.row("1.16")
def test_head_is_not_get():
    assert router("/a").match("HEAD", "/a") is None


def test_methods_of_one_resource_may_name_its_parameter_differently():
    routes = Router([Target("GET", "/a/{id}"), Target("PUT", "/a/{name}")])

    assert routes.match("GET", "/a/1") == (Target("GET", "/a/{id}"), {"id": "1"})
    assert routes.match("PUT", "/a/1") == (Target("PUT", "/a/{name}"), {"name": "1"})
