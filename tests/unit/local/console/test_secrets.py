"""Secrets are hidden before the console shows anything."""

import pytest

from local.console import secrets
from local.console.secrets import HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        '{"client_secret": "s3cr3t!"}',
        '{"headers":{"Authorization":"s3cr3t!"}}',
        '{"multiValueHeaders":{"Authorization":["s3cr3t!","s3cr3t!"]}}',
        r'{"body":"{\"password\":\"s3cr3t!\"}"}',
        "grant_type=client_credentials&client_secret=s3cr3t!",
        "connecting to redis://user:s3cr3t!@127.0.0.1/0 now",
        "-----BEGIN PRIVATE KEY-----\ns3cr3t!\n-----END PRIVATE KEY-----",
        '{"access_token":"s3cr3t!","token_type":"Bearer"}',
        '{"x-api-key": "s3cr3t!"}',
    ],
)
def test_what_stands_beside_the_name_of_a_secret_is_hidden(text):
    shown = secrets.without(text)

    assert "s3cr3t!" not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        '{"Idempotency-Key":"first-1","token_type":"Bearer","amount":1250}',
        "GET /v1/payments?limit=20&key_prefix=a",
        "http://127.0.0.1:5002/docs",
        '{"keyboard":"qwerty","monkey":"see"}',
    ],
)
def test_what_is_no_secret_stays(text):
    assert secrets.without(text) == text


def test_a_hidden_headers_value_is_hidden_wherever_it_comes_again():
    headers = [("Authorization", "Basic ZGVtbzpkZW1vLXNlY3JldA=="), ("Cookie", "session=abcdefgh")]
    hidden = secrets.of_headers(headers)

    shown = secrets.without("ZGVtbzpkZW1vLXNlY3JldA== demo-secret session=abcdefgh", hidden)

    assert secrets.headers_without(headers) == [["Authorization", HIDDEN], ["Cookie", HIDDEN]]
    assert shown == f"{HIDDEN} {HIDDEN} {HIDDEN}"


def test_environment_variables_are_hidden_by_name_and_by_what_they_hold():
    variables = {
        "TOKEN_PRIVATE_KEY": "-----BEGIN",
        "PAYMENTS_QUEUE_URL": "http://sqs.local/payments",
        "MONGO_URL": "mongodb://me:s3cr3t!@127.0.0.1",
        "OAUTH_CLIENTS": '[{"id":"demo","secret":"s3cr3t!"}]',
        "EMPTY_SECRET": "",
    }

    assert secrets.variables_without(variables) == {
        "TOKEN_PRIVATE_KEY": HIDDEN,
        "PAYMENTS_QUEUE_URL": "http://sqs.local/payments",
        "MONGO_URL": f"mongodb://{HIDDEN}@127.0.0.1",
        "OAUTH_CLIENTS": f'[{{"id":"demo","secret":"{HIDDEN}"}}]',
        "EMPTY_SECRET": "",
    }
