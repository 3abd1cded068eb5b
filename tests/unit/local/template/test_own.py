"""The project's own template: what AWS's advice asks of it, and what its parameters change."""

import re
from pathlib import Path

import pytest

from local.template import Template, Throttle, load

ROOT = Path(__file__).parents[4]
PATH = ROOT / "template.yaml"


@pytest.fixture(scope="module")
def template() -> Template:
    return load(PATH)


def test_it_can_be_run_whole(template):
    assert template.warnings == ()
    assert {"PaymentsFunction", "PaymentsWorker", "AuthorizerFunction"} <= set(template.functions)
    assert template.queues["PaymentsQueue"].dead_letter == "payments-dlq"


@pytest.mark.row("4.15")
def test_a_message_stays_hidden_six_times_as_long_as_its_worker_may_run(template):
    for mapping in template.mappings:
        timeout_s = template.functions[mapping.function].timeout_s
        assert template.queues[mapping.queue].visibility_timeout_s >= 6 * timeout_s


def test_a_message_is_given_up_after_five_receives_and_kept_fourteen_days(template):
    names = {queue.name: queue for queue in template.queues.values()}
    for mapping in template.mappings:
        queue = template.queues[mapping.queue]
        assert queue.max_receive_count == 5
        assert names[queue.dead_letter].retention_s == 14 * 86_400


def test_every_worker_has_a_bound_and_reports_single_failures(template):
    assert template.mappings
    assert all(each.maximum_concurrency and each.report_failures for each in template.mappings)


def test_no_function_gets_the_right_to_read_every_queue_of_the_account():
    # SAM gives a function with an event of type SQS a policy for all queues.
    assert "Type: SQS\n" not in PATH.read_text()


def test_the_authorizer_knows_neither_store(template):
    assert (
        not {"MONGO_URL", "REDIS_URL"} & template.functions["AuthorizerFunction"].environment.keys()
    )


def test_a_default_deployment_reserves_and_throttles_nothing(template):
    assert {each.reserved_concurrency for each in template.functions.values()} == {None}
    assert template.api.throttles == ()


def test_the_parameters_of_production_can_be_read_here_too():
    template = load(
        PATH,
        {
            "SecretName": "spillway/prod",
            "CreateCache": "yes",
            "VpcId": "vpc-1",
            "ReservedConcurrency": "100",
            "ProvisionedConcurrency": "25",
            "ThrottleRate": "2000",
            "ThrottleBurst": "1000",
            "AlarmEmail": "a@example.com",
            "Tracing": "Active",
            "QueuePrefix": "live-",
        },
    )

    reserved = {each.logical_id: each.reserved_concurrency for each in template.functions.values()}
    behind_routes = {route.function for route in template.api.routes}
    assert {name for name, number in reserved.items() if number == 100} == behind_routes
    assert template.api.throttles == (Throttle(path="/*", method="*", rate_per_s=2000, burst=1000),)
    assert template.queues["PaymentsQueue"].name == "live-payments"
    assert template.queues["PaymentsQueue"].dead_letter == "live-payments-dlq"
    hidden = {"MONGO_URL", "REDIS_URL", "TOKEN_PRIVATE_KEY", "OAUTH_CLIENTS"}
    assert not hidden & template.functions["ApiFunction"].environment.keys()


def test_functions_send_spans_only_where_a_layer_takes_them(template):
    variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
    layer = "arn:aws:lambda:eu-west-1:901920570463:layer:aws-otel-collector-arm64-ver-0-117-0:1"
    traced = load(PATH, {"OtelLayer": layer, "Tracing": "Active"}, allow_unsupported=True)

    assert not any(variable in each.environment for each in template.functions.values())
    addresses = {each.environment[variable] for each in traced.functions.values()}
    assert addresses == {"http://127.0.0.1:4318"}
    assert any(layer in str(each) for each in traced.warnings)


def test_lambda_gets_the_versions_that_everything_else_is_locked_to():
    lock = (ROOT / "requirements.lock").read_text()
    layer = (ROOT / "layers/dependencies/requirements.txt").read_text()

    pins = re.findall(r"^[a-z0-9-]+==\S+", layer, re.MULTILINE)

    assert pins
    assert [pin for pin in pins if not re.search(rf"^{re.escape(pin)}\b", lock, re.MULTILINE)] == []


def test_payments_are_refused_last_and_analytics_first(template):
    by_priority = sorted(
        (each.priority, name) for name, each in template.functions.items() if each.priority
    )

    assert [name for _, name in by_priority] == [
        "PaymentsFunction",
        "NotificationsFunction",
        "AnalyticsFunction",
    ]
