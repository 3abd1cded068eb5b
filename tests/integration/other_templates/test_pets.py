"""A resolver of Powertools, behind an API that the template does not declare."""

from collections.abc import Callable

import pytest

from tests.integration.other_templates.conftest import CopiedProject


@pytest.fixture(scope="module")
def pets(copied: Callable[[str], CopiedProject]) -> CopiedProject:
    pets = copied("pets")
    up = pets.run("up")
    assert up.returncode == 0, up.stderr
    return pets


def test_the_resolver_finds_its_routes(pets: CopiedProject):
    assert pets.request("GET", "/pets") == (200, [{"name": "Rex"}])
    assert pets.request("GET", "/pets/1") == (200, {"name": "Rex"})
    assert pets.request("POST", "/pets", {"name": "Ada"}) == (201, {"name": "Ada"})


def test_what_the_resolver_does_not_know_is_its_own_404(pets: CopiedProject):
    assert pets.request("GET", "/pets/9") == (404, {"statusCode": 404, "message": "no pet 9"})


def test_there_are_no_workers_where_there_is_no_queue(pets: CopiedProject):
    assert pets.processes() == {"valkey", "PetsFunction", "gateway"}


def test_a_second_up_finds_it_running_and_down_needs_the_template_only(pets: CopiedProject):
    assert pets.run("up").stdout.startswith("already running")
    assert pets.run("down").stdout == "stopped\n"
    assert pets.run("status").returncode == 3
