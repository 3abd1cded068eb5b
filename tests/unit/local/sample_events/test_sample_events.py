"""The sample events, read by Powertools as functions read them."""

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser import models

from local.sample_events import EVENTS, text

MODELS: dict[str, Any] = {
    "api": models.APIGatewayProxyEventModel,
    "http-api": models.APIGatewayProxyEventV2Model,
    "function-url": models.LambdaFunctionUrlModel,
    "alb": models.AlbModel,
    "authorizer-token": models.ApiGatewayAuthorizerToken,
    "authorizer-request": models.ApiGatewayAuthorizerRequest,
    "sqs": models.SqsModel,
    "sqs-fifo": models.SqsModel,
    "schedule": models.EventBridgeModel,
    "eventbridge": models.EventBridgeModel,
    "s3": models.S3Model,
    "sns": models.SnsModel,
    "dynamodb": models.DynamoDBStreamModel,
    "kinesis": models.KinesisDataStreamModel,
    "firehose": models.KinesisFirehoseModel,
    "kafka": models.KafkaMskEventModel,
    "logs": models.CloudWatchLogsModel,
    "cognito": models.CognitoPostConfirmationTriggerModel,
    "cognito-pre-sign-up": models.CognitoPreSignupTriggerModel,
    "cognito-pre-token": models.CognitoPreTokenGenerationTriggerModelV1,
    "ses": models.SesModel,
    "custom-resource": models.CloudFormationCustomResourceCreateModel,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_event_is_what_its_source_sends(name: str):
    assert MODELS[name].model_validate_json(text(name))


def test_every_sample_event_is_json_and_all_but_one_are_known_to_powertools():
    assert all(json.loads(text(name)) for name in EVENTS)
    assert EVENTS.keys() - MODELS.keys() == {"secret-rotation"}
