"""The other services' part of a template: resources, names, notifications, streams."""

import pytest

from local.gateway import mapping
from local.template import TemplateError
from local.template.service_kinds import PENDING
from tests.unit.local.template.template_texts import FUNCTION, property_of_function

AT = "eu-west-1:000000000000"
PAGES = f"arn:aws:lambda:{AT}:function:Pages"
TABLE = """
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!Ref Uploads", "uploads"),
        ("!GetAtt Uploads.Arn", "arn:aws:s3:::uploads"),
        ("!Ref News", f"arn:aws:sns:{AT}:News"),
        ("!GetAtt News.TopicName", "News"),
        ("!Sub '${Things}/index'", "Things/index"),
        ("!GetAtt Things.Arn", f"arn:aws:dynamodb:{AT}:table/Things"),
        ("!Ref Machine", f"arn:aws:states:{AT}:stateMachine:orders"),
        ("!Ref Setting", "/a/b"),
        ("!Ref Bus", "Bus"),
        ("!GetAtt Bus.Arn", f"arn:aws:events:{AT}:event-bus/Bus"),
        ("!GetAtt Clicks.Arn", f"arn:aws:kinesis:{AT}:stream/Clicks"),
    ],
)
def test_what_refers_to_a_resource_of_a_service_gets_its_name_or_arn(read, value, resolved):
    resources = f"""{property_of_function(f"Environment: {{Variables: {{VALUE: {value}}}}}")}
{TABLE}
  Uploads: {{Type: AWS::S3::Bucket}}
  News: {{Type: AWS::SNS::Topic}}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {{Name: orders, Definition: {{StartAt: A, States: {{}}}}}}
  Setting: {{Type: AWS::SSM::Parameter, Properties: {{Name: /a/b, Type: String, Value: c}}}}
  Bus: {{Type: AWS::Events::EventBus}}
  Clicks: {{Type: AWS::Kinesis::Stream}}
"""
    template = read(resources)

    assert template.functions["Pages"].environment == {"VALUE": resolved}
    assert set(template.made) == {
        *("Things", "Uploads", "News", "Machine", "Setting", "Bus", "Clicks")
    }


def test_what_only_a_service_knows_is_its_to_say(read):
    variables = "{POOL: !Ref Pool, KEY: !Sub 'k-${Key.Arn}', TOKEN: '{{resolve:ssm:/token}}'}"
    resources = f"""{property_of_function(f"Environment: {{Variables: {variables}}}")}
  Pool: {{Type: AWS::Cognito::UserPool}}
  Key: {{Type: AWS::KMS::Key}}
"""
    definition = read(resources, values=PENDING)
    values = dict(zip(sorted(definition.placeholders), ["an ARN", "an id", "a token"], strict=True))

    assert sorted(definition.placeholders) == [
        *("{{made:Key.Arn}}", "{{made:Pool}}", "{{resolve:ssm:/token}}")
    ]
    assert [each.partition("SSM: ")[2] for each in definition.warnings] == [
        "/token is no parameter of this template; unless the SSM here has it, it is 'token'"
    ]
    assert read(resources, values=values).functions["Pages"].environment == {
        **{"POOL": "an id", "KEY": "k-an ARN", "TOKEN": "a token"}
    }
    assert read(resources).functions["Pages"].environment == {}


def test_a_parameter_that_lives_in_the_store_has_its_value(read):
    before = "Parameters: {Token: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /token}}"
    text = property_of_function("Environment: {Variables: {TOKEN: !Ref Token}}")
    values = {"{{resolve:ssm:/token}}": "a token"}

    assert read(text, before=before, values=values).functions["Pages"].environment == {
        "TOKEN": "a token"
    }


def test_a_function_is_notified_of_the_objects_of_a_bucket(read):
    event = (
        "{Type: S3, Properties: {Bucket: !Ref Uploads, Events: ['s3:ObjectCreated:*',"
        " 's3:ObjectRemoved:*'], Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}]}}}}"
    )
    template = read(
        property_of_function(f"Events: {{New: {event}}}") + "  Uploads: {Type: AWS::S3::Bucket}\n"
    )
    rules = {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}}

    assert template.made["Uploads"]["Properties"]["NotificationConfiguration"] == {
        "LambdaConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Function": PAGES, "Filter": rules},
            {"Event": "s3:ObjectRemoved:*", "Function": PAGES, "Filter": rules},
        ]
    }


def test_a_function_is_subscribed_to_a_topic_with_its_filter(read):
    event = "{Type: SNS, Properties: {Topic: !Ref News, FilterPolicy: {kind: [a]}}}"
    template = read(
        property_of_function(f"Events: {{Told: {event}}}") + "  News: {Type: AWS::SNS::Topic}\n"
    )

    assert template.made["PagesTold"] == {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": f"arn:aws:sns:{AT}:News",
            "Protocol": "lambda",
            "Endpoint": PAGES,
            "FilterPolicy": {"kind": ["a"]},
        },
    }


@pytest.mark.parametrize(
    ("subscription", "queue", "batch_size"),
    [
        ("true", "PagesToldQueue", 10),
        ("{BatchSize: 3, QueueArn: !GetAtt Mails.Arn, QueueUrl: !Ref Mails}", "Mails", 3),
    ],
)
def test_a_queue_may_stand_between_a_topic_and_its_function(read, subscription, queue, batch_size):
    event = f"{{Type: SNS, Properties: {{Topic: !Ref News, SqsSubscription: {subscription}}}}}"
    others = "  News: {Type: AWS::SNS::Topic}\n  Mails: {Type: AWS::SQS::Queue}\n"
    template = read(property_of_function(f"Events: {{Told: {event}}}") + others)

    assert template.made["PagesTold"]["Properties"]["Protocol"] == "sqs"
    assert template.made["PagesTold"]["Properties"]["Endpoint"] == f"arn:aws:sqs:{AT}:{queue}"
    (mapping,) = template.mappings
    assert (mapping.queue, mapping.function, mapping.batch_size) == (queue, "Pages", batch_size)


def test_a_schedule_that_runs_once_is_the_schedulers(read):
    event = "{Type: ScheduleV2, Properties: {ScheduleExpression: 'at(2030-01-01T00:00:00)'}}"
    template = read(property_of_function(f"Events: {{Once: {event}}}"))

    assert template.schedules == ()
    made = template.made["PagesOnce"]["Properties"]
    assert made["ScheduleExpression"] == "at(2030-01-01T00:00:00)"
    assert made["Target"]["Arn"] == PAGES


@pytest.mark.parametrize("kind", ["EventBridgeRule", "CloudWatchEvent"])
def test_a_function_is_the_target_of_its_rule(read, kind):
    event = f"{{Type: {kind}, Properties: {{Pattern: {{source: [shop]}}, InputPath: $.detail}}}}"
    template = read(property_of_function(f"Events: {{Sold: {event}}}"))

    assert template.made["PagesSold"]["Properties"] == {
        "Name": "PagesSold",
        "EventPattern": {"source": ["shop"]},
        "State": "ENABLED",
        "Targets": [{"Arn": PAGES, "Id": "PagesSoldLambdaTarget", "InputPath": "$.detail"}],
    }


def test_a_function_reads_the_stream_of_a_table(read):
    event = (
        "{Type: DynamoDB, Properties: {Stream: !GetAtt Things.StreamArn, BatchSize: 5,"
        " StartingPosition: TRIM_HORIZON, BisectBatchOnFunctionError: true,"
        " MaximumRetryAttempts: 2, FunctionResponseTypes: [ReportBatchItemFailures]}}"
    )
    (mapping,) = read(property_of_function(f"Events: {{Changed: {event}}}") + TABLE).streams

    assert mapping.stream == f"arn:aws:dynamodb:{AT}:table/Things/stream/local"
    assert (mapping.function, mapping.batch_size, mapping.starts) == ("Pages", 5, "TRIM_HORIZON")
    assert (mapping.bisects, mapping.retries_max, mapping.report_failures) == (True, 2, True)


def test_a_mapping_without_sam_reads_a_stream_too(read):
    mapping = """
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Pages
      EventSourceArn: !GetAtt Clicks.Arn
      StartingPosition: LATEST
  Clicks: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
"""
    template = read(FUNCTION + mapping)

    assert [each.stream for each in template.streams] == [f"arn:aws:kinesis:{AT}:stream/Clicks"]


@pytest.mark.parametrize(
    "schedule",
    [
        "{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(5 minutes),"
        " Targets: [{Id: a, Arn: !GetAtt Pages.Arn, Input: '{\"a\": 1}'}]}}",
        "{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(5 minutes),"
        " FlexibleTimeWindow: {Mode: 'OFF'}, Target: {Arn: !GetAtt Pages.Arn, RoleArn: r,"
        " Input: '{\"a\": 1}'}}}",
    ],
)
def test_a_rule_or_schedule_without_sam_invokes_its_function_by_the_clock(read, schedule):
    template = read(f"{FUNCTION}  Clock: {schedule}\n")

    (by_clock,) = template.schedules
    assert (by_clock.function, by_clock.every_s, by_clock.event) == ("Pages", 300, {"a": 1})
    assert template.made == {}


QUEUES = """
  Work: {Type: AWS::SQS::Queue}
  Steps: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ContentBasedDeduplication: true}}
"""


@pytest.mark.parametrize(
    ("clock", "about"),
    [
        (
            "{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(5 minutes),"
            " Target: {Arn: !GetAtt Work.Arn, Input: 'any text'}}}",
            ("Work", "", "any text"),
        ),
        (
            "{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(5 minutes), Targets:"
            " [{Arn: !GetAtt Steps.Arn, Id: a, SqsParameters: {MessageGroupId: g}}]}}",
            ("Steps", "g", None),
        ),
    ],
)
def test_a_rule_or_schedule_of_a_queue_sends_to_it_by_the_clock(read, clock, about):
    template = read(f"{FUNCTION}{QUEUES}  Clock: {clock}\n")

    (by_clock,) = template.schedules
    assert (by_clock.queue, by_clock.group, by_clock.event) == about
    assert (by_clock.function, by_clock.every_s, template.made) == ("", 300, {})
    assert by_clock.arn.endswith("/Clock")


def test_a_clock_of_a_fifo_queue_without_a_group_is_refused(read):
    clock = "ScheduleExpression: rate(5 minutes), Target: {Arn: !GetAtt Steps.Arn}"
    with pytest.raises(TemplateError, match="a FIFO queue needs it"):
        read(
            f"{FUNCTION}{QUEUES}  Clock:"
            f" {{Type: AWS::Scheduler::Schedule, Properties: {{{clock}}}}}\n"
        )


def test_what_a_target_says_of_failures_is_named_as_without_effect(read):
    more = "RetryPolicy: {MaximumRetryAttempts: 1}, DeadLetterConfig: {Arn: !GetAtt Work.Arn}"
    target = f"{{Arn: !GetAtt Pages.Arn, Id: a, {more}}}"
    rules = f"""
  Clock: {{Type: AWS::Events::Rule, Properties: {{
    ScheduleExpression: rate(5 minutes), Targets: [{target}]}}}}
  Seen: {{Type: AWS::Events::Rule, Properties: {{
    EventPattern: {{source: [a]}}, Targets: [{target}]}}}}
"""
    events = (
        f"Events: {{A: {{Type: EventBridgeRule, Properties: {{Pattern: {{a: [b]}}, {more}}}}}}}"
    )
    template = read(f"{FUNCTION}      {events}\n{QUEUES}{rules}")

    warned = [each.split(": ")[1:3] for each in template.warnings if "no effect" in each]
    assert warned == [
        [name, f"{path}{property}"]
        for name, path in (("Pages", "Events.A."), ("Clock", ""), ("Seen", ""))
        for property in ("RetryPolicy", "DeadLetterConfig")
    ]


def test_a_schedule_of_something_else_stays_the_services(read):
    rule = (
        "{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(5 minutes),"
        " Targets: [{Id: a, Arn: 'arn:aws:states:x'}]}}"
    )
    template = read(f"{FUNCTION}  Clock: {rule}\n")

    assert template.schedules == ()
    assert set(template.made) == {"Clock"}


REFUSED = [
    (
        TABLE.replace("KeySchema: [{AttributeName: id,", "KeySchema: [{AttributeName: key,"),
        "Things: KeySchema: key is no attribute of AttributeDefinitions",
    ),
    (TABLE.replace("AttributeType: S", "AttributeType: T"), "the type of id has to be S, N or B"),
    (
        "  Bad: {Type: AWS::S3::Bucket, Properties: {BucketName: Bad_Name}}\n",
        "Bad: BucketName: 'Bad_Name' has to be 3 to 63",
    ),
    (
        property_of_function("Events: {A: {Type: S3, Properties: {Bucket: other, Events: a}}}"),
        "other is no bucket of this template",
    ),
    (
        property_of_function("Events: {A: {Type: SNS, Properties: {Topic: 'arn:aws:sns:a'}}}"),
        "arn:aws:sns:a is no topic of this template",
    ),
    (
        property_of_function(
            "Events: {A: {Type: Kinesis, Properties: {Stream: x, StartingPosition: LATEST}}}"
        ),
        "x is no stream of this template",
    ),
]


@pytest.mark.parametrize(("resources", "sentence"), REFUSED)
def test_what_no_service_could_make_or_tell_is_refused_by_name(read, resources, sentence):
    with pytest.raises(TemplateError) as caught:
        read(resources if "Pages" in resources else FUNCTION + resources)

    assert sentence in str(caught.value)


def test_a_state_machine_has_its_definition_from_a_file_with_what_it_refers_to(read, tmp_path):
    (tmp_path / "machine.json").write_text('{"StartAt": "A", "Resource": "${Page}"}')
    machine = """
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: machine.json, DefinitionSubstitutions: {Page: !GetAtt Pages.Arn}}
"""
    properties = read(FUNCTION + machine).made["Machine"]["Properties"]

    assert properties["DefinitionString"] == f'{{"StartAt": "A", "Resource": "{PAGES}"}}'
    assert properties["StateMachineName"] == "Machine"


@pytest.mark.parametrize(("more", "quote"), [("", "\\'"), (", UnescapeMappingTemplate: true", "'")])
def test_a_route_starts_a_state_machine_with_its_body_as_text(read, more, quote):
    machine = f"""
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {{StartAt: A, States: {{}}}}
      Events: {{Go: {{Type: Api, Properties: {{Path: /go, Method: post{more}}}}}}}
"""
    ((route,),) = [api.routes for api in read(FUNCTION + machine).apis]
    event = {"body": '{"name": "it\'s"}', "headers": {}, "requestContext": {}}

    assert (route.key, route.function) == ("POST /go", "")
    assert mapping.request_body(route.integration, event) == (
        f'{{"input": "{{\\"name\\":\\"it{quote}s\\"}}", '
        f'"stateMachineArn": "arn:aws:states:{AT}:stateMachine:Machine"}}'
    )


@pytest.mark.parametrize(
    ("policies", "services"),
    [
        ("[S3ReadPolicy: {BucketName: a}]", {"s3"}),
        ("[{Statement: [{Effect: Allow, Action: ['ses:Send*', 'sqs:*'], Resource: a}]}]", {"ses"}),
        ("AmazonDynamoDBFullAccess", {"dynamodb"}),
        ("[SQSSendMessagePolicy: {QueueName: a}, AWSXrayWriteOnlyAccess]", set()),
    ],
)
def test_policies_tell_which_services_a_function_calls(read, policies, services):
    assert read(property_of_function(f"Policies: {policies}")).calls == services


def test_nothing_is_guessed_where_a_template_says_what_it_takes_from_this_machine(read):
    before = "Metadata: {Spillway: {Provides: [REDIS_URL]}}"
    text = property_of_function("Policies: [S3ReadPolicy: {BucketName: a}]")

    assert read(text, before=before).calls == frozenset()


def test_a_property_that_the_services_here_pass_over_is_named(read):
    resources = """
  Uploads:
    Type: AWS::S3::Bucket
    Properties: {LifecycleConfiguration: {Rules: []}, CorsConfiguration: {CorsRules: []}}
  News: {Type: AWS::SNS::Topic, Properties: {TopicName: news.fifo, FifoTopic: true}}
  Plain: {Type: AWS::SNS::Topic, Properties: {FifoTopic: false}}
"""
    warnings = read(FUNCTION + resources).warnings

    assert [each.partition("template.yaml:")[2].partition(": ")[2] for each in warnings] == [
        "Uploads: LifecycleConfiguration: has no effect in the services here",
        "News: FifoTopic: has no effect in the services here",
    ]


@pytest.mark.parametrize(
    ("source", "target", "blamed"),
    [
        ("!GetAtt Things.StreamArn", "!Ref News", []),
        ("!GetAtt Jobs.Arn", "!GetAtt Pages.Arn", []),
        ("arn:aws:mq:eu-west-1:000000000000:broker:a", "!Ref News", ["Source"]),
        (
            "!GetAtt Things.StreamArn",
            "!GetAtt Pages.Arn, Enrichment: 'arn:aws:states:a'",
            ["Enrichment"],
        ),
        ("!GetAtt Things.StreamArn", "arn:aws:batch:eu-west-1:000000000000:job/a", ["Target"]),
    ],
)
def test_a_pipe_through_which_nothing_goes_here_is_named(read, source, target, blamed):
    resources = f"""{TABLE}      StreamSpecification: {{StreamViewType: NEW_IMAGE}}
  Jobs: {{Type: AWS::SQS::Queue}}
  News: {{Type: AWS::SNS::Topic}}
  Pipe:
    Type: AWS::Pipes::Pipe
    Properties: {{Source: {source}, Target: {target}, RoleArn: any}}
"""
    warnings = read(FUNCTION + resources).warnings

    assert [each.rpartition("Pipe: ")[2].partition(":")[0] for each in warnings] == blamed


def test_what_another_stack_has_on_aws_has_a_stand_in(read):
    before = "Parameters: {Bus: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /shop/bus}}"
    rule = "{EventBusName: !Ref Bus, Pattern: {source: [a]}}"
    far = "{EventBusName: far, Pattern: {source: [a]}}"
    kind = "Type: EventBridgeRule, Properties"
    events = f"{{A: {{{kind}: {rule}}}, B: {{{kind}: {far}}}}}"
    template = read(property_of_function(f"Events: {events}"), before=before, values=PENDING)
    buses = {
        each["Properties"]["Name"]
        for each in template.made.values()
        if each["Type"] == "AWS::Events::EventBus"
    }

    assert buses == {"{{resolve:ssm:/shop/bus}}", "far"}
    assert any("far is no bus of this template" in each for each in template.warnings)
    assert any("unless the SSM here has it, it is 'shop-bus'" in each for each in template.warnings)


def test_the_name_of_a_parameter_is_no_value_of_one(read):
    before = "Parameters: {Key: {Type: 'AWS::SSM::Parameter::Name', Default: /shop/key}}"
    text = property_of_function("Environment: {Variables: {KEY: !Ref Key}}")

    assert read(text, before=before).functions["Pages"].environment == {"KEY": "/shop/key"}


@pytest.mark.parametrize("kind", ["AWS::Serverless::SimpleTable", "AWS::S3::Bucket"])
def test_a_name_made_of_a_short_logical_id_is_long_enough(read, kind):
    text = property_of_function("Environment: {Variables: {NAME: !Ref T}}")
    name = read(f"{text}  T: {{Type: {kind}}}\n").functions["Pages"].environment["NAME"]

    assert name.lower() == "t00"
