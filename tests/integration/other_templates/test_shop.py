"""A template that needs other services: they run here, and tell its functions."""

import json
import urllib.request
from collections.abc import Callable
from itertools import chain
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.session import Session

from tests.conftest import wait_until
from tests.integration.other_templates.conftest import CopiedProject

AT = "eu-west-1:000000000000"


@pytest.fixture(scope="module")
def shop(copied: Callable[[str], CopiedProject]) -> CopiedProject:
    shop = copied("shop")
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("AWS_ACCESS_KEY_ID", "AKIAOFAPERSON")
        shell.setenv("AWS_SECRET_ACCESS_KEY", "of a person")
        shell.setenv("AWS_PROFILE", "company")
        up = shop.run("up")
    assert up.returncode == 0
    assert up.stderr.endswith(
        "Installation: what it has answered reaches functions with the next `python -m local up`\n"
    )
    return shop


def service(shop: CopiedProject, name: str) -> Any:
    return Session().create_client(
        name,
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{shop.ports['SERVICES']}",
        aws_access_key_id="any",
        aws_secret_access_key="thing",
    )


def invoke(shop: CopiedProject, event: Any) -> Any:
    client = boto3.client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{shop.ports['INVOKE']}",
        aws_access_key_id="any",
        aws_secret_access_key="thing",
    )
    answer = client.invoke(FunctionName="Shop", Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def call(shop: CopiedProject, service: str, action: str, **arguments: Any) -> Any:
    """Have a function call a service, as its own boto3 finds it."""
    event = {"service": service, "action": action, "arguments": arguments}
    answer = invoke(shop, event)
    assert "errorMessage" not in answer, answer
    return answer


def noted(shop: CopiedProject, about: str) -> list[Any]:
    """Return what the functions noted under a word."""
    items = service(shop, "dynamodb").scan(TableName="Notes")["Items"]
    return [json.loads(each["event"]["S"]) for each in items if each["about"]["S"] == about]


@pytest.mark.row("5.10")
def test_a_function_is_told_what_the_services_made_and_nobodys_credentials(shop: CopiedProject):
    shown = invoke(
        shop,
        {
            "show": [
                *("ORDERS", "UPLOADS", "NEWS", "CLICKS", "PASSWORD", "LIMIT", "SECRET", "POOL"),
                *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"),
            ]
        },
    )

    assert service(shop, "cognito-idp").describe_user_pool(UserPoolId=shown.pop("POOL"))
    assert shown.pop("SECRET").startswith(f"arn:aws:secretsmanager:{AT}:secret:local-db-")
    assert shown == {
        "ORDERS": "Orders",
        "UPLOADS": "uploads",
        "NEWS": f"arn:aws:sns:{AT}:News",
        "CLICKS": "Clicks",
        "PASSWORD": "kept",
        "LIMIT": "12",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_PROFILE": None,
    }


@pytest.mark.row("5.13")
def test_a_custom_resource_is_made_by_its_function_when_all_else_is_there(shop: CopiedProject):
    (item,) = service(shop, "dynamodb").scan(TableName="Installed")["Items"]

    assert item["about"]["S"] == "Create Custom::Installation '3'"
    assert item["pool"]["S"] == invoke(shop, {"show": ["POOL"]})["POOL"]


def test_a_table_has_its_index_stream_and_time_to_live(shop: CopiedProject):
    dynamodb = service(shop, "dynamodb")
    table = dynamodb.describe_table(TableName="Orders")["Table"]

    assert [each["IndexName"] for each in table["GlobalSecondaryIndexes"]] == ["by-customer"]
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE"
    live = dynamodb.describe_time_to_live(TableName="Orders")["TimeToLiveDescription"]
    assert live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


def test_a_bucket_has_its_cors_and_website(shop: CopiedProject):
    s3 = service(shop, "s3")
    (rule,) = s3.get_bucket_cors(Bucket="uploads")["CORSRules"]

    assert rule == {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 60}
    website = s3.get_bucket_website(Bucket="uploads")
    assert website["IndexDocument"] == {"Suffix": "index.html"}


@pytest.mark.row("5.1", "5.2")
def test_an_object_tells_the_function_whose_prefix_and_suffix_it_has(shop: CopiedProject):
    for key in ("out/a.csv", "in/a.txt", "in/a b.csv"):
        call(shop, "s3", "put_object", Bucket="uploads", Key=key, Body="x")

    (event,) = wait_until(lambda: noted(shop, "aws:s3"))
    (record,) = event["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == "uploads"
    assert record["s3"]["object"]["key"] == "in/a+b.csv"


def test_an_address_that_a_function_signs_takes_an_object(shop: CopiedProject):
    place = {"Bucket": "uploads", "Key": "signed"}
    arguments = {"ClientMethod": "put_object", "Params": place}
    address = call(shop, "s3", "generate_presigned_url", **arguments)
    urllib.request.urlopen(
        urllib.request.Request(address, b"x", {"Content-Type": ""}, method="PUT"), timeout=10
    ).close()

    assert service(shop, "s3").head_object(**place)["ContentLength"] == 1


@pytest.mark.row("5.3")
def test_a_message_of_a_topic_comes_to_the_function_whose_filter_it_passes(shop: CopiedProject):
    for kind in ("other", "sale"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        call(
            shop,
            *("sns", "publish"),
            **{"TopicArn": f"arn:aws:sns:{AT}:News", "Message": kind},
            MessageAttributes=attributes,
        )

    (event,) = wait_until(lambda: noted(shop, "aws:sns"))
    (record,) = event["Records"]
    assert record["EventVersion"] == "1.0"
    assert (record["Sns"]["Message"], record["Sns"]["Subject"]) == ("sale", None)
    assert {"SigningCertUrl", "UnsubscribeUrl", "TopicArn", "MessageId"} <= record["Sns"].keys()
    assert record["Sns"]["MessageAttributes"] == {"kind": {"Type": "String", "Value": "sale"}}


@pytest.mark.row("5.4")
def test_a_topic_and_a_bucket_tell_a_queue_of_the_template(shop: CopiedProject):
    attributes = {"kind": {"DataType": "String", "StringValue": "mail"}}
    topic = f"arn:aws:sns:{AT}:News"
    call(shop, "sns", "publish", TopicArn=topic, Message="raw", MessageAttributes=attributes)
    call(shop, "s3", "put_object", Bucket="uploads", Key="gone", Body="x")
    call(shop, "s3", "delete_object", Bucket="uploads", Key="gone")

    def messages() -> list[Any]:
        return [event["Records"][0] for event in noted(shop, "aws:sqs")]

    wait_until(lambda: any("ObjectRemoved" in each["body"] for each in messages()))
    raw = wait_until(lambda: [each for each in messages() if each["body"] == "raw"])
    assert raw[0]["eventSourceARN"] == f"arn:aws:sqs:{AT}:Mails"
    assert raw[0]["messageAttributes"]["kind"]["stringValue"] == "mail"


@pytest.mark.row("5.5")
def test_an_event_of_a_bus_comes_as_its_rule_makes_it(shop: CopiedProject):
    entries = [
        {"Source": "shop", "DetailType": kind, "Detail": '{"n": 1}', "EventBusName": "Bus"}
        for kind in ("removed", "sold")
    ]
    call(shop, "events", "put_events", Entries=entries)

    assert wait_until(lambda: noted(shop, "event")) == [{"n": 1}]


@pytest.mark.row("5.11")
def test_a_pipe_takes_what_passes_by_a_function_to_a_bus(shop: CopiedProject):
    queue = shop.sqs()
    url = queue.get_queue_url(QueueName="Jobs")["QueueUrl"]
    for body in ('{"kind": "small", "id": 1}', '{"kind": "big", "id": 2}'):
        queue.send_message(QueueUrl=url, MessageBody=body)

    assert wait_until(lambda: {"piped": "job 2"} in noted(shop, "event"))
    assert {"piped": "job 1"} not in noted(shop, "event")


@pytest.mark.row("5.12")
def test_lines_of_a_log_come_to_the_function_that_wants_them(shop: CopiedProject):
    invoke(shop, {"say": "all is well"})
    invoke(shop, {"say": "ALARM one"})

    assert wait_until(lambda: noted(shop, "log")) == [["ALARM one"]]


@pytest.mark.row("5.6", "5.7")
def test_a_failed_batch_of_a_table_is_halved_and_the_bad_record_given_up(shop: CopiedProject):
    items = [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in ("a", "bad", "c", "d")]
    call(shop, "dynamodb", "batch_write_item", RequestItems={"Orders": items})
    url = shop.sqs().get_queue_url(QueueName="Failed")["QueueUrl"]

    (failed,) = wait_until(
        lambda: shop.sqs().receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages")
    )
    wait_until(
        lambda: sorted(chain(*noted(shop, "aws:dynamodb batch"))) == ["a", "c", "d"],
        timeout_s=20,
    )
    record = json.loads(failed["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1


@pytest.mark.row("5.8")
def test_records_of_kinesis_come_again_from_the_first_that_is_reported(shop: CopiedProject):
    records = [{"Data": name, "PartitionKey": "1"} for name in ("early", "late", "last")]
    call(shop, "kinesis", "put_records", StreamName="Clicks", Records=records)

    assert wait_until(lambda: ["late", "last"] in noted(shop, "aws:kinesis batch"))


def test_a_change_of_a_table_goes_on_to_the_stream_that_it_names(shop: CopiedProject):
    call(shop, "dynamodb", "put_item", TableName="Stock", Item={"id": {"S": "pen"}})

    def changes() -> list[Any]:
        texts = chain(*noted(shop, "aws:kinesis batch"))
        return [json.loads(text) for text in texts if text.startswith("{")]

    (change,) = wait_until(changes)
    assert (change["eventName"], change["tableName"]) == ("INSERT", "Stock")
    assert change["dynamodb"]["NewImage"] == {"id": {"S": "pen"}}


def test_a_mail_that_a_function_sends_by_ses_or_a_topic_is_in_the_mailbox(shop: CopiedProject):
    mail = {"Subject": {"Data": "Sold"}, "Body": {"Text": {"Data": "one pen"}}}
    to = {"ToAddresses": ["ada@example.com"]}
    call(shop, "ses", "send_email", Source="shop@example.com", Destination=to, Message=mail)
    content = {"Simple": {**mail, "Subject": {"Data": "Sold again"}}}
    sender = "shop@example.com"
    call(shop, "sesv2", "send_email", FromEmailAddress=sender, Destination=to, Content=content)
    news = {"Message": "to all", "Subject": "News"}
    call(shop, "sns", "publish", TopicArn=f"arn:aws:sns:{AT}:News", **news)

    def subjects() -> set[tuple[str, str]]:
        with urlopen(f"http://127.0.0.1:{shop.ports['MAILBOX']}/messages", timeout=10) as answer:
            messages = json.load(answer)["messages"]
        return {(each["to"], each["subject"]) for each in messages}

    sent = {(to["ToAddresses"][0], subject) for subject in ("Sold", "Sold again")}
    assert wait_until(lambda: sent | {("bob@example.com", "News")} <= subjects())


def test_a_state_machine_runs_the_function(shop: CopiedProject):
    machine = f"arn:aws:states:{AT}:stateMachine:Machine"
    arguments = {"stateMachineArn": machine, "input": '{"triggerSource": "sfn"}'}
    started = call(shop, "stepfunctions", "start_execution", **arguments)
    run = service(shop, "stepfunctions")

    def ended() -> Any:
        described = run.describe_execution(executionArn=started["executionArn"])
        return described if described["status"] != "RUNNING" else None

    described = wait_until(ended)
    assert (described["status"], json.loads(described["output"])) == (
        *("SUCCEEDED", {"triggerSource": "sfn"}),
    )
    assert noted(shop, "sfn") == [{"triggerSource": "sfn"}]


def test_a_route_starts_the_state_machine_with_its_body(shop: CopiedProject):
    status, answer = shop.request("POST", "/start", {"triggerSource": "route"})

    assert (status, answer["executionArn"].split(":")[6]) == (200, "Machine")
    assert wait_until(lambda: noted(shop, "route")) == [{"triggerSource": "route"}]


@pytest.mark.row("2.21")
def test_what_became_of_an_asynchronous_event_is_told_to_a_bus_and_a_topic(shop: CopiedProject):
    for number in (1, 2):
        payload = json.dumps({"n": number})
        call(
            shop,
            *("lambda", "invoke"),
            **{"FunctionName": "Later", "InvocationType": "Event", "Payload": payload},
        )

    (event,) = wait_until(lambda: noted(shop, "event of lambda"))
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["detail"]["requestContext"]["condition"] == "Success"

    def failures() -> list[Any]:
        messages = [event["Records"][0]["Sns"]["Message"] for event in noted(shop, "aws:sns")]
        return [json.loads(each) for each in messages if each.startswith("{")]

    (record,) = wait_until(failures)
    assert record["requestPayload"] == {"n": 1}
    assert record["responsePayload"]["errorMessage"] == "one is too few"


def test_a_reset_of_the_services_leaves_what_the_template_makes_and_streams_go_on(
    shop: CopiedProject,
):
    before = invoke(shop, {"show": ["POOL", "SECRET"]})
    call(shop, "ssm", "put_parameter", Name="mine", Value="1", Type="String")
    address = f"http://127.0.0.1:{shop.ports['SERVICES']}/_ministack/reset"
    urllib.request.urlopen(address, b"", timeout=10).close()
    left = [service(shop, "dynamodb").scan(TableName="Orders")["Count"]]
    left += [len(noted(shop, about)) for about in ("event", "event of lambda", "aws:sns", "sfn")]
    records = [{"Data": "fresh", "PartitionKey": "1"}]
    call(shop, "dynamodb", "put_item", TableName="Orders", Item={"id": {"S": "fresh"}})
    call(shop, "kinesis", "put_records", StreamName="Clicks", Records=records)

    assert left == [0] * 5
    assert invoke(shop, {"show": ["POOL", "SECRET"]}) == before
    assert "Contents" not in service(shop, "s3").list_objects_v2(Bucket="uploads")
    names = [each["Name"] for each in service(shop, "ssm").describe_parameters()["Parameters"]]
    assert names
    assert "mine" not in names
    wait_until(lambda: noted(shop, "aws:dynamodb batch") == [["fresh"]])
    wait_until(lambda: noted(shop, "aws:kinesis batch") == [["fresh"]])


@pytest.mark.row("5.9")
@pytest.mark.parametrize(
    ("name", "action", "arguments"),
    [
        ("rekognition", "list_collections", {}),  # JSON, with the action in a header
        ("polly", "describe_voices", {}),  # REST
        ("redshift", "describe_clusters", {}),  # XML
    ],
)
def test_a_service_that_nobody_serves_is_refused_by_name_and_with_the_flag(
    shop: CopiedProject, name: str, action: str, arguments: dict[str, Any]
):
    event = {"service": name, "action": action, "arguments": arguments}

    message = invoke(shop, event)["errorMessage"]

    assert f" of the AWS service {name} is not emulated here; --aws lets its calls" in message


def test_a_user_pool_tells_its_function_of_a_user_that_is_made_and_of_one_that_is_confirmed(
    shop: CopiedProject,
):
    users = service(shop, "cognito-idp")
    pool = invoke(shop, {"show": ["POOL"]})["POOL"]
    client = users.create_user_pool_client(UserPoolId=pool, ClientName="page")
    mail = [{"Name": "email", "Value": "ada@example.com"}]
    users.admin_create_user(UserPoolId=pool, Username="made", UserAttributes=mail)
    who = {"ClientId": client["UserPoolClient"]["ClientId"], "Username": "ada"}
    users.sign_up(**who, Password="Passw0rd!", UserAttributes=mail)
    for _ in range(2):
        users.confirm_sign_up(**who, ConfirmationCode="123456")

    assert [e["userName"] for e in noted(shop, "PreSignUp_AdminCreateUser")] == ["made"]
    assert [e["userName"] for e in noted(shop, "PreSignUp_SignUp")] == ["ada"]
    confirmed = noted(shop, "PostConfirmation_ConfirmSignUp")
    assert [e["userName"] for e in confirmed] == ["ada"]
    assert confirmed[0]["request"]["userAttributes"]["email"] == "ada@example.com"


@pytest.mark.timeout(300)
def test_a_restart_finds_what_the_services_had(shop: CopiedProject):
    call(shop, "s3", "put_object", Bucket="uploads", Key="kept", Body="x")
    before = invoke(shop, {"show": ["POOL", "SECRET"]})
    orders = len(service(shop, "dynamodb").scan(TableName="Orders")["Items"])
    shop.run("down")
    up = shop.run("up")

    assert (up.returncode, up.stderr) == (0, "")
    assert len(service(shop, "dynamodb").scan(TableName="Installed")["Items"]) == 1
    assert invoke(shop, {"show": ["INSTALLED"]}) == {"INSTALLED": "here"}
    assert invoke(shop, {"show": ["POOL", "SECRET"]}) == before
    assert len(service(shop, "dynamodb").scan(TableName="Orders")["Items"]) == orders
    assert service(shop, "s3").head_object(Bucket="uploads", Key="kept")["ContentLength"] == 1
