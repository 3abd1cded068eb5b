"""The console's page in a real browser, on a gateway that answers: `make console-test`."""

import pytest

from tests.browser.conftest import shown
from tests.integration.gateway_process import GatewayProcess, returns

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: pages.handler
      Runtime: python3.13
      CodeUri: functions/
      Events:
        Page: {Type: Api, Properties: {Path: "/pages/{name}", Method: GET}}
"""
pytestmark = pytest.mark.browser


@pytest.fixture
def gateway(tmp_path):
    with GatewayProcess(tmp_path, TEMPLATE) as gateway:
        yield gateway


def test_functions_requests_and_queues_are_shown(gateway):
    gateway.environment("Pages", returns({"statusCode": 200}))
    gateway.request("GET", "/pages/<b>bold")
    page = shown(f"http://127.0.0.1:{gateway.console_port}/")

    assert "<td>Pages</td><td>1</td><td>0</td><td>0</td><td>0</td><td>0</td><td>1</td>" in page
    assert "/pages/&lt;b&gt;bold" in page
    assert "The template has no queue." in page
    assert ">as of " in page
