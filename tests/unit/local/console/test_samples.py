"""The sample events that the console offers for a function."""

from pathlib import Path
from typing import Any

import pytest

from local.console.samples import samples
from local.template import load

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.13, Handler: app.handler, CodeUri: .}}
Resources:
  Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Events: {Jobs: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Events: {Get: {Type: Api, Properties: {Path: "/pages/{id}", Method: GET}}}
  Files:
    Type: AWS::Serverless::Function
    Properties:
      Events: {Put: {Type: HttpApi, Properties: {Path: "/files/{name+}", Method: PUT}}}
"""


@pytest.fixture
def events(tmp_path: Path) -> dict[str, Any]:
    """Return the sample events of each function."""
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    template = load(path)
    return {name: samples(template, name) for name in template.functions}


def test_the_event_of_a_functions_own_trigger_comes_first(events):
    assert list(events["Worker"]) == ["SQS", "API", "Schedule", "S3", "SNS"]
    assert list(events["Pages"]) == ["API", "SQS", "Schedule", "S3", "SNS"]
    (record,) = events["Worker"]["SQS"]["Records"]
    assert record["eventSourceARN"].endswith(":jobs")


def test_a_request_is_one_to_the_functions_route_in_its_format(events):
    rest, http = events["Pages"]["API"], events["Files"]["API"]

    assert (rest["httpMethod"], rest["resource"], rest["path"]) == (
        "GET",
        "/pages/{id}",
        "/pages/id-1",
    )
    assert (rest["pathParameters"], rest["body"]) == ({"id": "id-1"}, None)
    assert rest["requestContext"]["resourcePath"] == "/pages/{id}"
    assert (http["version"], http["routeKey"]) == ("2.0", "PUT /files/{name+}")
    assert (http["rawPath"], http["body"]) == ("/files/name-1", "{}")
    assert http["requestContext"]["http"]["method"] == "PUT"
