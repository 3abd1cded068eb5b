"""Queues and mappings that AWS would not create are refused, with the place named."""

import pytest

from local.template import TemplateError
from tests.unit.local.template.template_texts import FUNCTION


def mapping(properties: str, queue: str = "", timeout_s: int = 3) -> str:
    """Return a queue `Work` with `queue` as its properties, and a function on it."""
    return f"""{FUNCTION}      Timeout: {timeout_s}
      Events:
        Messages:
          Type: SQS
          Properties: {{Queue: !GetAtt Work.Arn, {properties}}}
  Work: {{Type: AWS::SQS::Queue, Properties: {{{queue}}}}}
"""


FIFO = "FifoQueue: true"


@pytest.mark.parametrize(
    ("resources", "place", "complaint"),
    [
        pytest.param(
            mapping("BatchSize: 11"), "MaximumBatchingWindowInSeconds", "above a batch of 10",
            marks=pytest.mark.row("4.2"),
        ),
        pytest.param(
            mapping("BatchSize: 11", FIFO), "BatchSize", "1 to 10", marks=pytest.mark.row("4.2")
        ),
        pytest.param(
            mapping("MaximumBatchingWindowInSeconds: 301"),
            "MaximumBatchingWindowInSeconds", "0 to 300", marks=pytest.mark.row("4.3"),
        ),
        pytest.param(
            mapping("MaximumBatchingWindowInSeconds: 1", FIFO),
            "MaximumBatchingWindowInSeconds", "not for FIFO", marks=pytest.mark.row("4.3"),
        ),
        pytest.param(
            mapping("ScalingConfig: {MaximumConcurrency: 1}"),
            "ScalingConfig.MaximumConcurrency", "2 to 1000", marks=pytest.mark.row("4.12"),
        ),
        pytest.param(
            mapping("ProvisionedPollerConfig: {MinimumPollers: 1}"),
            "ProvisionedPollerConfig.MinimumPollers", "2 to 200", marks=pytest.mark.row("4.14"),
        ),
        pytest.param(
            mapping(
                "ProvisionedPollerConfig: {MaximumPollers: 9},"
                " ScalingConfig: {MaximumConcurrency: 2}"
            ),
            "ProvisionedPollerConfig", "excludes", marks=pytest.mark.row("4.14"),
        ),
        pytest.param(
            mapping("", "VisibilityTimeout: 30", timeout_s=31),
            "Pages", "longer than the VisibilityTimeout", marks=pytest.mark.row("4.15"),
        ),
        pytest.param(
            mapping(
                'FilterCriteria: {Filters: [{Pattern: \'{"body": {"a": [{"wildcard": "a*"}]}}\'}]}'
            ),
            "FilterCriteria.Filters.0.Pattern", "wildcard", marks=pytest.mark.row("4.16"),
        ),
        pytest.param(
            mapping("DestinationConfig: {OnFailure: {Destination: arn}}"),
            "DestinationConfig", "not emulated", marks=pytest.mark.row("4.18"),
        ),
        pytest.param(
            mapping("", "RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn}")
            + "  Dead: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}\n",
            "RedrivePolicy.deadLetterTargetArn", "FIFO", marks=pytest.mark.row("3.8"),
        ),
        (mapping("", "QueueName: work.fifo"), "FifoQueue", "ends in .fifo"),
        (mapping("", "FifoQueue: true, QueueName: work"), "FifoQueue", "ends in .fifo"),
        (mapping("", "MaximumMessageSize: 1023"), "MaximumMessageSize", "1024 to 1048576"),
        (mapping("", "MessageRetentionPeriod: 59"), "MessageRetentionPeriod", "60 to 1209600"),
        (mapping("", "DelaySeconds: 901"), "DelaySeconds", "0 to 900"),
    ],
)  # fmt: skip
def test_what_aws_would_refuse_is_refused_by_name(read, resources: str, place: str, complaint: str):
    with pytest.raises(TemplateError, match=complaint) as refusal:
        read(resources)

    assert place in str(refusal.value)


@pytest.mark.row("4.17")
def test_a_second_mapping_of_the_same_queue_and_function_is_refused(read):
    twice = (
        mapping("")
        + """
  Again:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Work.Arn, FunctionName: !Ref Pages}
"""
    )

    with pytest.raises(TemplateError, match="two mappings from Work"):
        read(twice)


@pytest.mark.row("3.14", "3.16")
def test_a_fifo_queue_has_its_name_and_its_kind_of_deduplication(read):
    queues = read("""
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      ContentBasedDeduplication: true
      DeduplicationScope: messageGroup
      FifoThroughputLimit: perMessageGroupId
""").queues

    assert queues["Orders"].name == "Orders.fifo"
    assert queues["Orders"].is_fifo
    assert queues["Orders"].deduplicates_content
    assert queues["Orders"].deduplicates_by_group


@pytest.mark.row("4.14", "4.16")
def test_provisioned_pollers_are_taken_note_of_and_filters_kept(read):
    (queue_mapping,) = read(
        mapping(
            "ProvisionedPollerConfig: {MinimumPollers: 2, MaximumPollers: 9},"
            ' FilterCriteria: {Filters: [{Pattern: \'{"body": {"a": [1]}}\'}]}'
        )
    ).mappings

    assert queue_mapping.filters == ('{"body": {"a": [1]}}',)
    assert queue_mapping.maximum_concurrency is None


def test_for_a_queue_of_another_stack_stands_an_empty_one_that_all_its_mappings_share(read):
    arn = "arn:aws:sqs:us-east-1:123456789012:jobs.fifo"
    events = (
        f"      Timeout: 20\n      Events: {{J: {{Type: SQS, Properties: {{Queue: '{arn}'}}}}}}\n"
    )
    other = FUNCTION.replace("Pages:", "Other:")
    template = read(FUNCTION + events + other + events)

    (queue,) = template.queues.values()
    assert (queue.name, queue.is_fifo, queue.visibility_timeout_s) == ("jobs.fifo", True, 120)
    assert [mapping.function for mapping in template.mappings] == ["Pages", "Other"]
    assert len(template.warnings) == 1
    assert "jobs.fifo is no queue of this template; an empty one" in template.warnings[0]
