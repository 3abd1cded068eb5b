"""Queues and mappings of a template."""

import json

import pytest

from local.template import Mapping, Queue, TemplateError
from tests.unit.local.template.template_texts import FUNCTION

FIFO = "QueueName: q.fifo, FifoQueue: true"


def test_a_queue_with_its_dead_letter_queue(read):
    queues = read(
        """
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: work
      VisibilityTimeout: 60
      DelaySeconds: 5
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}
"""
    ).queues

    assert queues["Work"] == Queue(
        logical_id="Work",
        name="work",
        visibility_timeout_s=60,
        delay_s=5,
        retention_s=345_600,
        max_receive_count=4,
        dead_letter="Dead",
    )
    assert queues["Dead"].retention_s == 1_209_600
    assert (queues["Dead"].max_receive_count, queues["Dead"].dead_letter) == (None, None)


def test_a_mapping_from_an_event_and_from_a_resource(read):
    template = read(
        FUNCTION
        + """
      Events:
        Messages:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 7}
  Work: {Type: AWS::SQS::Queue}
  Other: {Type: AWS::SQS::Queue}
  Second:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Other.Arn
      FunctionName: !Ref Pages
      BatchSize: 100
      MaximumBatchingWindowInSeconds: 2
"""
    )

    assert template.mappings == (
        Mapping(
            queue="Work",
            function="Pages",
            batch_size=5,
            window_s=0,
            report_failures=True,
            maximum_concurrency=7,
        ),
        Mapping(
            queue="Other",
            function="Pages",
            batch_size=100,
            window_s=2,
            report_failures=False,
            maximum_concurrency=None,
        ),
    )


def test_a_fifo_queue_with_values_written_as_text(read):
    queues = read(
        """
  Steps:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: steps.fifo
      FifoQueue: "true"
      ContentBasedDeduplication: "true"
      DeduplicationScope: messageGroup
      FifoThroughputLimit: perMessageGroupId
      SqsManagedSseEnabled: "false"
  Plain: {Type: AWS::SQS::Queue, Properties: {ContentBasedDeduplication: false}}
"""
    ).queues

    assert (queues["Steps"].deduplicates_content, queues["Steps"].deduplicates_by_group) == (
        True,
        True,
    )
    assert queues["Steps"].throughput_limit == "perMessageGroupId"
    assert [queues[name].is_encrypted_by_sqs for name in ("Steps", "Plain")] == [False, True]


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("ContentBasedDeduplication: true", "ContentBasedDeduplication: is for FIFO queues"),
        ("DeduplicationScope: queue", "DeduplicationScope: is for FIFO queues"),
        ("FifoThroughputLimit: perQueue", "FifoThroughputLimit: is for FIFO queues"),
        ("FifoQueue: maybe", "FifoQueue: has to be true or false"),
        (f"{FIFO}, DeduplicationScope: group", "DeduplicationScope: has to be queue or message"),
        (f"{FIFO}, FifoThroughputLimit: all", "FifoThroughputLimit: has to be perQueue or per"),
        (f"{FIFO}, FifoThroughputLimit: perMessageGroupId", "goes with DeduplicationScope"),
        (f"{FIFO}, ContentBasedDeduplication: 1", "ContentBasedDeduplication: has to be true or"),
        ("SqsManagedSseEnabled: 1", "SqsManagedSseEnabled: has to be true or false"),
    ],
)
def test_an_attribute_that_sqs_would_not_take_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(f"  Q: {{Type: AWS::SQS::Queue, Properties: {{{properties}}}}}")


POLICY = """
  Dead: {{Type: AWS::SQS::Queue, Properties: {{RedriveAllowPolicy: {policy}}}}}
  Work:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}}
"""
OTHER = "arn:aws:sqs:eu-west-1:000000000000:other"


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("{redrivePermission: denyAll}", "Work: RedrivePolicy: the dead-letter queue's"),
        (f"{{redrivePermission: byQueue, sourceQueueArns: ['{OTHER}']}}", "Work: RedrivePolicy:"),
        ("{redrivePermission: byQueue}", "sourceQueueArns: are 1 to 10, for byQueue alone"),
        (f"{{redrivePermission: denyAll, sourceQueueArns: ['{OTHER}']}}", "for byQueue alone"),
        ("{redrivePermission: some}", "has to be allowAll or denyAll or byQueue"),
        ("{permission: denyAll}", "RedriveAllowPolicy.permission"),
    ],
)
def test_a_dead_letter_queue_that_does_not_take_a_queue_is_named(read, policy, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(POLICY.format(policy=policy))


@pytest.mark.parametrize("permission", ["allowAll", "byQueue"])
def test_a_dead_letter_queue_shows_whose_messages_it_takes(read, permission):
    arns = ", sourceQueueArns: [!GetAtt Work.Arn]" if permission == "byQueue" else ""
    policy = f"{{redrivePermission: {permission}{arns}}}"
    shown = read(POLICY.format(policy=policy)).queues["Dead"].others["RedriveAllowPolicy"]

    assert json.loads(shown)["redrivePermission"] == permission


def test_tags_and_keys_of_a_queue_are_kept_but_for_those_that_aws_alone_knows(read):
    queues = read("""
  Keyed:
    Type: AWS::SQS::Queue
    Properties:
      KmsMasterKeyId: alias/aws/sqs
      KmsDataKeyReusePeriodSeconds: 300
      Tags: [{Key: team, Value: pay}, {Key: owner, Value: !ImportValue there}]
  Far: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: !ImportValue key}}
""").queues

    keyed = {"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "300"}
    assert (queues["Keyed"].others, queues["Keyed"].tags) == (keyed, {"team": "pay"})
    assert (queues["Keyed"].is_encrypted_by_sqs, queues["Far"].others) == (False, {})
    with pytest.raises(TemplateError, match="excludes KmsMasterKeyId"):
        read(
            "  A: {Type: AWS::SQS::Queue,"
            " Properties: {KmsMasterKeyId: a, SqsManagedSseEnabled: true}}"
        )
