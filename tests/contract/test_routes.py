"""The template, the Chalice apps, the OpenAPI document and the import arrows agree."""

import ast
import importlib
import json
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from local import template
from tests.contract import openapi
from tests.contract.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
DOMAINS = sorted(each.parent.name for each in FUNCTIONS.glob("*/app.py"))
TEMPLATE = template.load(ROOT / "template.yaml")
OURS = {*DOMAINS, "backend", "local", "queue_workers", "loadtest", "tests"}
OPEN_ROUTES = {
    "/health",
    "/health/ready",
    "/oauth2/token",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs",
    "/unsubscribe",  # its link is signed
    "/v1/provider/webhooks",  # it has a signature instead
}
MAY_IMPORT = {
    "layers": {"backend"},
    "local": {"local", "backend"},
    "queue_workers": {"queue_workers", "local", "backend"},
    "loadtest": {"loadtest"},  # it speaks HTTP only
}
# What a service must not know: how requests come, and where things are kept.
NOT_FOR_A_SERVICE = {"chalice", "aws_lambda_powertools", "boto3", "redis", "pymongo", "bson"}


def imports_of(path):
    """Return the modules that a file names in its imports, dotted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops(path):
    return {name.partition(".")[0] for name in imports_of(path)}


def files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_serves_the_routes_that_the_template_gives_it(domain):
    app = importlib.import_module(f"{domain}.app").app
    served = {(method, path) for path, methods in app.routes.items() for method in methods}
    routed = {
        (route.method, route.path)
        for route in TEMPLATE.api.routes
        if TEMPLATE.functions[route.function].handler == f"{domain}.app.app"
    }

    assert served == routed


@pytest.mark.parametrize("route", TEMPLATE.api.routes, ids=lambda route: route.method + route.path)
def test_a_route_declares_a_scope_unless_it_is_open_to_everybody(route):
    view = openapi.view_of(route, TEMPLATE)

    assert (route.authorizer is None) == (route.path in OPEN_ROUTES)
    assert (view.scope is None) == (route.path in OPEN_ROUTES)
    if view.scope is not None:
        assert view.scope.endswith(":read" if route.method == "GET" else ":write")


@pytest.mark.parametrize("function", TEMPLATE.functions.values(), ids=lambda each: each.logical_id)
def test_a_handler_that_the_template_names_exists(function):
    module, _, attribute = function.handler.rpartition(".")

    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("path", files(*(f"functions/{each}" for each in DOMAINS)), ids=relative)
def test_a_domain_imports_of_ours_itself_and_backend_only(path):
    domain = path.relative_to(FUNCTIONS).parts[0]

    assert tops(path) & OURS <= {domain, "backend"}


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_module_of_a_domain_imports_itself_by_way_of_others(domain):
    modules = {
        ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts): path
        for path in files(f"functions/{domain}")
        if path.name != "__init__.py"
    }
    order = TopologicalSorter(
        {name: set(imports_of(path)) & set(modules) for name, path in modules.items()}
    )

    assert len(list(order.static_order())) == len(modules)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_service_knows_no_framework_and_no_driver(domain):
    service = FUNCTIONS / domain / "service.py"
    reached = {name for name in imports_of(service) if name.startswith(f"{domain}.")}

    assert not tops(service) & NOT_FOR_A_SERVICE
    assert not reached & {f"{domain}.app", f"{domain}.store"}


@pytest.mark.parametrize("path", files("functions"), ids=relative)
def test_only_a_store_knows_the_store_s_driver(path):
    assert path.name.endswith("store.py") or "pymongo" not in tops(path)


@pytest.mark.parametrize("path", files(*MAY_IMPORT), ids=relative)
def test_what_runs_the_functions_imports_no_domain(path):
    assert tops(path) & OURS <= MAY_IMPORT[path.relative_to(ROOT).parts[0]]


@pytest.mark.parametrize("path", files("local"), ids=relative)
def test_local_knows_of_backend_the_settings_and_the_queues_only(path):
    modules = {name.split(".")[1] for name in imports_of(path) if name.startswith("backend.")}

    assert modules <= {"settings", "queues", "errors"}  # the errors are those that queues raise


def test_the_openapi_document_is_what_the_template_and_the_schemas_say():
    assert openapi.DOCUMENT.read_text() == openapi.text(), "run `make openapi`"
    assert json.loads(openapi.SCOPES.read_text()) == openapi.scopes(), "run `make openapi`"


def test_the_openapi_document_has_the_template_s_routes_and_no_others():
    document = json.loads(openapi.DOCUMENT.read_text())
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }

    assert described == {(route.method, route.path) for route in TEMPLATE.api.routes}
    assert {f"{method} {path}" for method, path in described} == set(OPERATIONS)
