"""The variables by which functions find the other services."""

import pytest

from local.machine.other_services import OtherServices


@pytest.mark.parametrize("environ", [{}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}])
def test_a_service_on_aws_has_its_own_url_whatever_the_shell_says_of_all(environ):
    services = OtherServices(are_needed=True, on_aws=("s3",))
    variables = services.variables(4566, "http://127.0.0.1:3001", environ) | environ

    assert variables["AWS_ENDPOINT_URL_S3"].endswith(".amazonaws.com")
    assert variables["SPILLWAY_AWS_LET_THROUGH"] == "s3"
    assert variables["AWS_ENDPOINT_URL"] == environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
