"""The events of a template that other services send: of buckets, topics, rules, streams, clocks."""

import pytest

from local.template import TemplateError
from tests.unit.local.template.template_texts import (
    AT,
    FUNCTION,
    PAGES,
    TABLE,
    property_of_function,
)


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


@pytest.mark.parametrize(
    ("properties", "value"),
    [
        ("Pattern: {source: [a]}", "PagesOrdered"),
        ("Pattern: {source: [a]}, RuleName: mine", "mine"),
        ("Pattern: {source: [a]}, EventBusName: default", "PagesOrdered"),
        ("Pattern: {source: [a]}, EventBusName: !Ref Bus", "shop|PagesOrdered"),
    ],
)
def test_a_reference_to_the_rule_of_an_event_is_its_name_behind_that_of_its_bus(
    read, properties, value
):
    text = property_of_function(
        f"""Environment: {{Variables: {{RULE: !Ref PagesOrdered}}}}
      Events: {{Ordered: {{Type: EventBridgeRule, Properties: {{{properties}}}}}}}
  Bus: {{Type: AWS::Events::EventBus, Properties: {{Name: shop}}}}
  Kept: {{Type: AWS::Events::Archive, Properties: {{SourceArn: !GetAtt Bus.Arn}}}}"""
    )

    template = read(text)

    assert template.functions["Pages"].environment == {"RULE": value}
    assert "Kept" not in template.made


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
