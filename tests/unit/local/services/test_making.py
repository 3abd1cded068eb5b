"""The making of a stack where some of it cannot be made."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from local.services import making

TOPIC, BUCKET = {"Type": "AWS::SNS::Topic"}, {"Type": "AWS::S3::Bucket"}


def failure(name: str, *, age: timedelta) -> dict[str, Any]:
    return {
        "LogicalResourceId": name,
        "ResourceStatus": "UPDATE_FAILED",
        "ResourceStatusReason": f"{name} is wrong",
        "Timestamp": datetime.now(UTC) - age,
    }


@dataclass
class CloudFormation:
    """The service with a stack, whose updates end as a test says, each with its events."""

    states: list[tuple[str, list[dict[str, Any]]]]
    events: list[dict[str, Any]]
    bodies: list[str] = field(default_factory=list)

    def get_template(self, **_named: Any) -> Any:
        return {"TemplateBody": {"Resources": {}}}

    def update_stack(self, *, TemplateBody: str, **_named: Any) -> None:
        self.bodies.append(TemplateBody)
        self._status, events = self.states.pop(0)
        self.events = events + self.events

    def describe_stacks(self, **_named: Any) -> Any:
        return {"Stacks": [{"StackStatus": self._status}]}

    def describe_stack_events(self, **_named: Any) -> Any:
        return {"StackEvents": self.events}


def test_a_failure_of_an_update_before_is_none_of_this_one(monkeypatch):
    now = failure("Bucket", age=timedelta())
    service = CloudFormation(
        [("UPDATE_ROLLBACK_COMPLETE", [now]), ("UPDATE_COMPLETE", [])],
        [failure("Topic", age=timedelta(hours=1))],
    )
    monkeypatch.setattr(making, "client", lambda *_named: service)
    stack = making.Stack("http://127.0.0.1")
    stack.make({"Topic": TOPIC, "Bucket": BUCKET}, {})

    assert stack.failures == {"Bucket": "Bucket is wrong"}
    assert ["Topic" in body for body in service.bodies] == [True, True]


def test_what_the_services_do_not_know_is_left_out_and_the_rest_made(monkeypatch):
    class Choosy(CloudFormation):
        """A service that refuses a whole stack for a type that it does not know."""

        def update_stack(self, *, TemplateBody: str, **named: Any) -> None:
            if "AWS::Odd::Thing" in TemplateBody:
                sentence = "Template format error: Unrecognized resource types: [AWS::Odd::Thing]"
                answer: Any = {"Error": {"Code": "ValidationError", "Message": sentence}}
                raise ClientError(answer, "UpdateStack")
            super().update_stack(TemplateBody=TemplateBody, **named)

    service = Choosy([("UPDATE_COMPLETE", [])], [])
    monkeypatch.setattr(making, "client", lambda *_named: service)
    stack = making.Stack("http://127.0.0.1")
    stack.make({"Topic": TOPIC, "Odd": {"Type": "AWS::Odd::Thing"}}, {})

    assert stack.failures == {"Odd": "AWS::Odd::Thing is not known to the services here"}
    assert len(service.bodies) == 1
