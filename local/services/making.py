"""The making of a stack: created or updated, and what cannot be made left out by name."""

import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.services.stack import Resource
from local.template.intrinsics import REGION

log = logging.getLogger(__name__)

STACK = "local"
ROUNDS_MAX = 25  # each leaves out what failed; more failures than that are no accident
MADE_WITHIN_S = 30.0
LOOKS_S = 0.05
_UNKNOWN = re.compile(r"Unrecognized resource types: \[([^\]]+)\]")


class NotMade(Exception):
    """The stack as a whole cannot be made; the message has the reason."""


def client(service: str, endpoint: str) -> Any:
    """Return a client of a service behind `endpoint`, which checks no credentials.

    Its methods are made of the service's description, so they have no types.
    """
    return botocore.session.get_session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(connect_timeout=2, read_timeout=60, retries={"max_attempts": 1}),
    )


class Stack:
    """The stack of one template behind an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._api = client("cloudformation", endpoint)
        self.failures: dict[str, str] = {}  # the reason by logical id

    def make(
        self,
        resources: dict[str, Resource],
        outputs: dict[str, Resource],
        without: Iterable[str] = (),
    ) -> Mapping[str, str]:
        """Make all that can be made, and return the outputs. Raises NotMade.

        What refers to a resource of `without` cannot.
        """
        resources, outputs = dict(resources), dict(outputs)
        for name in without:
            self._drop(name, resources, outputs)
        return self._made(resources, outputs)

    def _made(
        self, resources: dict[str, Resource], outputs: dict[str, Resource]
    ) -> Mapping[str, str]:
        try:
            before = self._before()
            for _ in range(ROUNDS_MAX):
                if not resources:
                    return {}
                try:
                    state = self._put(resources, outputs, is_new=before is None)
                except ClientError as error:
                    if not self._drop_unknown(str(error), resources, outputs):
                        raise
                    continue
                if state["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                    return {each["OutputKey"]: each["OutputValue"] for each in state["Outputs"]}
                self._leave_out(resources, outputs, before or {})
                if before is None:
                    self._delete()
        except (BotoCoreError, ClientError) as error:
            raise NotMade(str(error)) from error
        raise NotMade("too much of it cannot be made")

    def _before(self) -> dict[str, Resource] | None:
        """Return the resources of the stack as it stands, None where there is none."""
        try:
            body = self._api.get_template(StackName=STACK)["TemplateBody"]
        except ClientError:
            return None
        document = json.loads(body) if isinstance(body, str) else body
        return dict(document["Resources"])

    def _put(
        self, resources: dict[str, Resource], outputs: dict[str, Resource], *, is_new: bool
    ) -> dict[str, Any]:
        body = json.dumps({"Resources": resources, "Outputs": outputs})
        put = self._api.create_stack if is_new else self._api.update_stack
        self._put_at = time.time() - 1  # some have whole seconds in their events
        try:
            put(StackName=STACK, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        except ClientError as error:
            if "No updates" not in str(error):
                raise
        return self._ended()

    def _ended(self) -> dict[str, Any]:
        ends_s = time.monotonic() + MADE_WITHIN_S
        while time.monotonic() < ends_s:
            state: dict[str, Any] = self._api.describe_stacks(StackName=STACK)["Stacks"][0]
            if not state["StackStatus"].endswith("IN_PROGRESS"):
                return {"Outputs": [], **state}
            time.sleep(LOOKS_S)
        raise NotMade(f"not within {MADE_WITHIN_S:.0f} s")

    def _leave_out(
        self,
        resources: dict[str, Resource],
        outputs: dict[str, Resource],
        before: Mapping[str, Resource],
    ) -> None:
        """Take out what failed, or put back what it was; without a culprit the outputs go."""
        failed = {
            event["LogicalResourceId"]: event.get("ResourceStatusReason", "no reason")
            for event in self._api.describe_stack_events(StackName=STACK)["StackEvents"]
            if event["Timestamp"].timestamp() >= self._put_at
            and event["ResourceStatus"].endswith("_FAILED")
            and event["LogicalResourceId"] in resources
            and event["LogicalResourceId"] not in self.failures
            and "cancelled" not in event.get("ResourceStatusReason", "")
        }
        for name, reason in failed.items():
            self.failures[name] = reason
            if name in before:
                resources[name] = before[name]
            else:
                self._drop(name, resources, outputs)
        if not failed and not outputs:
            state = self._api.describe_stacks(StackName=STACK)["Stacks"][0]
            raise NotMade(state.get("StackStatusReason") or state["StackStatus"])
        if not failed:
            outputs.clear()

    def _drop_unknown(
        self, sentence: str, resources: dict[str, Resource], outputs: dict[str, Resource]
    ) -> bool:
        """Take out what is of a type that the services do not know; tell whether there is any."""
        match = _UNKNOWN.search(sentence)
        types = match[1].split(", ") if match else []
        names = [name for name, each in resources.items() if each["Type"] in types]
        for name in names:
            self.failures[name] = f"{resources[name]['Type']} is not known to the services here"
            self._drop(name, resources, outputs)
        return bool(names)

    def _drop(
        self, name: str, resources: dict[str, Resource], outputs: dict[str, Resource]
    ) -> None:
        """Take out a resource, and all that refers to it."""
        resources.pop(name, None)
        for each in resources.values():
            if name in each.get("DependsOn", ()):
                each["DependsOn"] = [other for other in each["DependsOn"] if other != name]
        marks = (f"${{{name}}}", f"${{{name}.")
        for key in [key for key, value in outputs.items() if _has(value, marks)]:
            del outputs[key]
        for other in [key for key, value in resources.items() if _has(value, marks)]:
            self.failures[other] = f"it needs {name}"
            self._drop(other, resources, outputs)

    def _delete(self) -> None:
        self._api.delete_stack(StackName=STACK)
        ends_s = time.monotonic() + MADE_WITHIN_S
        while self._before() is not None and time.monotonic() < ends_s:
            time.sleep(LOOKS_S)


def _has(value: Any, marks: tuple[str, ...]) -> bool:
    text = json.dumps(value)
    return any(mark in text for mark in marks)
