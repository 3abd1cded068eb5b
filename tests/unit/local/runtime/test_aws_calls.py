"""A function's calls of AWS, made by SDKs that know nothing of this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[4]
SDK = """
class Loader:
    def load_service_model(self, name, kind):
        return {"metadata": {"serviceId": "DynamoDB"}}

class Session:
    def get_component(self, name):
        return Loader()

    def create_client(self, service_name, region_name=None, api_version=None, use_ssl=True,
                      verify=None, endpoint_url=None, aws_access_key_id=None,
                      aws_secret_access_key=None, aws_session_token=None, config=None):
        self.region, self.config = region_name, config
        return endpoint_url
"""
ASYNCHRONOUS_SDK = """
import botocore.session

class AioSession(botocore.session.Session):
    async def get_service_model(self, name):
        ...

    def create_client(self, service_name, region_name=None, endpoint_url=None):
        return [region_name, endpoint_url]
"""
HERE = "http://127.0.0.1:4566"


@pytest.fixture
def in_function(tmp_path: Path) -> Any:
    """Run an expression where a function's module would be, with an SDK of that version."""

    def run(expression: str, *, version: str, let_through: str | None = "", **more: str) -> Any:
        package = tmp_path / "botocore"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text(f"__version__ = {version!r}\n")
        (package / "session.py").write_text(SDK)
        (tmp_path / "aiobotocore").mkdir(exist_ok=True)
        (tmp_path / "aiobotocore" / "session.py").write_text(ASYNCHRONOUS_SDK)
        code = (
            "import json, os, socket\nfrom local.runtime import aws_calls\n"
            "aws_calls.confine(os.environ)\nfrom botocore.session import Session\n"
            f"print(json.dumps({expression}))"
        )
        let = {} if let_through is None else {"SPILLWAY_AWS_LET_THROUGH": let_through}
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": f"{tmp_path}:{PROJECT}", "AWS_ENDPOINT_URL": HERE, **let, **more},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return json.loads(ended.stdout)

    return run


OLD, NEW = "1.29.137", "1.43.0"
REAL = "https://dynamodb.eu-west-1.amazonaws.com"


@pytest.mark.row("5.9")
@pytest.mark.parametrize(
    ("call", "version", "endpoint"),
    [
        ("create_client('dynamodb')", OLD, HERE),
        ("create_client('dynamodb', 'eu-west-1', None, True, None, None)", OLD, HERE),
        ("create_client('dynamodb')", NEW, None),
        (f"create_client('dynamodb', endpoint_url='{REAL}')", OLD, HERE),
        (f"create_client('dynamodb', 'eu-west-1', None, True, None, '{REAL}')", NEW, HERE),
        ("create_client('dynamodb', endpoint_url='http://127.0.0.1:1')", OLD, "http://127.0.0.1:1"),
    ],
)
def test_every_client_has_its_endpoint_on_this_machine(in_function, call, version, endpoint):
    assert in_function(f"Session().{call}", version=version) == endpoint


@pytest.mark.row("5.9")
@pytest.mark.parametrize("version", [OLD, NEW])
def test_clients_of_an_asynchronous_sdk_are_on_this_machine_too(in_function, version):
    session = "__import__('aiobotocore.session').session.AioSession()"
    call = f"{session}.create_client('dynamodb', region_name='us-east-1', endpoint_url='{REAL}')"

    shown = in_function(call, version=version, AWS_REGION="eu-west-1")

    assert shown == ["eu-west-1", HERE]


def test_the_endpoint_of_a_service_goes_before_that_of_all(in_function):
    own = {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:2"}

    assert (
        in_function("Session().create_client('dynamodb')", version=OLD, **own) == own.popitem()[1]
    )


def test_a_service_that_is_let_through_is_the_real_one(in_function):
    call = f"Session().create_client('dynamodb', endpoint_url='{REAL}')"

    assert in_function(call, version=NEW, let_through="dynamodb") == REAL


@pytest.mark.row("5.9")
@pytest.mark.parametrize(
    "host", ["sts.amazonaws.com", "S3.eu-west-1.amazonaws.com.", "b.s3.api.aws"]
)
def test_a_name_of_aws_is_not_resolved(in_function, host):
    with pytest.raises(subprocess.CalledProcessError) as ended:
        in_function(f"socket.getaddrinfo({host!r}, 443)", version=NEW)

    assert f"{host} is AWS itself; calls stay on this machine without --aws" in ended.value.stderr


@pytest.mark.row("5.10")
def test_credentials_and_profiles_of_a_person_are_taken_away(in_function):
    person = {
        "AWS_ACCESS_KEY_ID": "AKIAPERSON",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_PROFILE": "company",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_CONFIG_FILE": "/home/person/config",
        "AWS_SHARED_CREDENTIALS_FILE": "/home/person/credentials",
    }
    shown = "{name: value for name, value in os.environ.items() if name.startswith('AWS')}"

    assert in_function(shown, version=NEW, **person) == {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": HERE,
    }
    assert in_function(shown, version=NEW, let_through="s3", **person) == {
        **person,
        "AWS_ENDPOINT_URL": HERE,
    }


def test_a_process_that_nobody_decided_for_is_left_as_it_is(in_function):
    key = {"AWS_ACCESS_KEY_ID": "AKIA"}

    assert (
        in_function("os.environ['AWS_ACCESS_KEY_ID']", version=OLD, let_through=None, **key)
        == "AKIA"
    )


@pytest.mark.parametrize(("let_through", "region"), [("", "eu-west-1"), ("dynamodb", "us-east-1")])
def test_a_region_that_code_names_is_this_machines(in_function, let_through, region):
    call = "s.create_client('dynamodb', region_name='us-east-1')"
    shown = f"(lambda s: [{call}, s.region])(Session())"
    settings = {"let_through": let_through, "AWS_REGION": "eu-west-1"}

    assert in_function(shown, version=NEW, **settings)[1] == region


def test_arguments_of_a_client_may_all_have_no_names(in_function):
    call = "s.create_client('s3', 'us-east-1', None, True, None, None, 'key', 'secret', None, 'c')"
    shown = f"(lambda s: [{call}, s.region, s.config])(Session())"

    assert in_function(shown, version=OLD, AWS_REGION="eu-west-1") == [HERE, "eu-west-1", "c"]


@pytest.mark.row("1.83")
@pytest.mark.parametrize(
    ("endpoint", "reached"),
    [
        ("https://127.0.0.1:5003/live", "http://127.0.0.1:5003/live"),
        ("https://local.execute-api.eu-west-1.amazonaws.com/live", "http://127.0.0.1:5002"),
    ],
)
def test_clients_of_websockets_are_reached_where_a_function_writes_https(
    in_function, endpoint, reached
):
    call = f"Session().create_client('apigatewaymanagementapi', endpoint_url={endpoint!r})"
    more = {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:5002"}  # the only service of that SDK

    assert in_function(call, version=NEW, **more) == reached


def test_a_bucket_that_code_wants_before_the_address_is_in_the_path():
    code = (
        "import os\nfrom local.runtime import aws_calls\naws_calls.confine(os.environ)\n"
        "from botocore.config import Config\nfrom botocore.session import Session\n"
        "config = Config(signature_version='s3v4', s3={'addressing_style': 'virtual'})\n"
        "client = Session().create_client('s3', config=config)\n"
        "place = {'Bucket': 'uploads', 'Key': 'a'}\n"
        "print(client.generate_presigned_url('put_object', Params=place))"
    )
    settings = {"AWS_ENDPOINT_URL": HERE, "SPILLWAY_AWS_LET_THROUGH": "", "AWS_REGION": "eu-west-1"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PROJECT), **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert ended.stdout.startswith(f"{HERE}/uploads/a?X-Amz-Algorithm=AWS4-HMAC-SHA256")
