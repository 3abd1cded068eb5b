"""Custom resources: functions of the template, called as CloudFormation calls them.

A function answers by a PUT to the address in its event, which is an object of S3 here. Its answer
is recorded with the data: a resource is created once, changed with its properties, and deleted when
it has gone from the template.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services.delivery import Delivery, Undelivered
from local.services.making import client
from local.template import Template
from local.template.intrinsics import ACCOUNT_ID, REGION
from local.template.service_kinds import CUSTOM, placeholder

ANSWERS_S = 60.0  # after its function has ended; CloudFormation waits for an hour
LOOKS_S = 0.2
ANSWER_MAX_BYTES = 4096  # CloudFormation's
BUCKET = "spillway-custom-resources"  # of the answers, deleted in the end
Filled = Callable[[Any, Mapping[str, str]], Any]
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/local/local"


class NotAnswered(Exception):
    """A function that failed or put no answer; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Record:
    """A custom resource as its function described it in its last answer."""

    kind: str  # Custom::..., as the template has it
    properties: Mapping[str, Any]
    physical_id: str
    data: Mapping[str, Any]


class CustomResources:
    """The custom resources of one template, and their records in the file at `path`."""

    def __init__(self, template: Template, path: Path, endpoint: str, delivery: Delivery) -> None:
        self._resources = {n: each for n, each in template.made.items() if each["Type"] == CUSTOM}
        self._functions = {each.name for each in template.functions.values()}
        self._path = path
        self._endpoint = endpoint
        self._delivery = delivery
        self._records = _read(path)

    @property
    def are_there(self) -> bool:
        """Tell whether any function is to be called, of the template as it is or was."""
        return bool(self._resources or self._records)

    def values(self) -> dict[str, str]:
        """Return by placeholder what `!Ref` and `!GetAtt` of them give."""
        values = {}
        for name, record in self._records.items():
            values[placeholder(name)] = record.physical_id
            for attribute, value in record.data.items():
                values[placeholder(name, attribute)] = str(_as_text(value))
        return values

    def call(self, filled: Filled) -> dict[str, str]:
        """Call the functions; return the reasons for what failed.

        `filled` returns properties with the given values in the place of placeholders. Raises
        ClientError and BotoCoreError where S3 does not answer.
        """
        failures: dict[str, str] = {}
        storage = client("s3", self._endpoint)
        _make_bucket(storage)
        gone = [name for name in self._records if name not in self._resources]
        for name in [*_in_order(self._resources), *gone]:
            try:
                self._bring_up_to_date(storage, name, filled)
            except (NotAnswered, Undelivered) as error:
                failures[name] = str(error)
            self._write()
        with suppress(ClientError):  # an answer that came too late is in it
            storage.delete_bucket(Bucket=BUCKET)
        return failures

    def _bring_up_to_date(self, storage: Any, name: str, filled: Filled) -> None:
        before = self._records.get(name)
        if name not in self._resources:
            record = self._records.pop(name)
            if _function_of(record) in self._functions:
                self._ask(storage, "Delete", name, record)
            return
        declared = self._resources[name]
        properties = _as_text(filled(declared["Properties"], self.values()))
        if before and before.properties == properties:
            return
        resource = Record(declared["ResourceType"], properties, "", {})
        answer = self._ask(storage, "Update" if before else "Create", name, resource, before)
        self._records[name] = answer
        if before and before.physical_id != answer.physical_id:  # it was replaced
            self._ask(storage, "Delete", name, before)

    def _ask(
        self,
        storage: Any,
        request_type: str,
        name: str,
        resource: Record,
        before: Record | None = None,
    ) -> Record:
        """Call the function of a resource and return what it answers."""
        key = str(uuid.uuid4())
        place = {"Bucket": BUCKET, "Key": key}
        physical_id = before.physical_id if before else resource.physical_id
        event = {
            "RequestType": request_type,
            "ServiceToken": resource.properties["ServiceToken"],
            "ResponseURL": storage.generate_presigned_url("put_object", Params=place),
            "StackId": STACK_ID,
            "RequestId": key,
            "LogicalResourceId": name,
            **({"PhysicalResourceId": physical_id} if physical_id else {}),
            "ResourceType": resource.kind,
            "ResourceProperties": resource.properties,
            **({"OldResourceProperties": before.properties} if before else {}),
        }
        function = _function_of(resource)
        self._invoke(function, event)
        answer = _answer(storage, place, f"{request_type} by {function}")
        return Record(
            resource.kind,
            resource.properties,
            str(answer.get("PhysicalResourceId") or physical_id or key),
            answer.get("Data") or {},
        )

    def _invoke(self, function: str, event: Any) -> None:
        """Invoke a function, as long as it takes no event yet, which a start may bring about."""
        ends_s = time.monotonic() + ANSWERS_S
        while True:
            try:
                outcome, is_error = self._delivery.invoke(function, event)
                break
            except Undelivered:
                if time.monotonic() > ends_s:
                    raise
                time.sleep(LOOKS_S)
        if is_error:
            reason = f"{outcome.get('errorType')}: {outcome.get('errorMessage')}"
            raise NotAnswered(f"{event['RequestType']} by {function} fails: {reason}")

    def _write(self) -> None:
        unfinished = self._path.with_suffix(".new")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        content = {name: asdict(each) for name, each in self._records.items()}
        unfinished.write_text(json.dumps(content, indent=1))
        unfinished.chmod(0o600)  # it may have secrets
        unfinished.replace(self._path)


def _read(path: Path) -> dict[str, Record]:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: Record(**each) for name, each in content.items()}


def _function_of(resource: Record) -> str:
    return str(resource.properties["ServiceToken"]).rpartition(":function:")[2]


def _in_order(resources: Mapping[str, Any]) -> list[str]:
    """Return the names, each behind those whose answers its properties have."""
    rest, names = dict(resources), []
    while rest:
        free = [name for name, each in rest.items() if not _needs(each, rest.keys() - {name})]
        name = next(iter(free or rest))  # of a circle the first
        names.append(name)
        del rest[name]
    return names


def _needs(resource: Any, names: Collection[str]) -> bool:
    """Tell whether the properties of a resource have an answer of one of these."""
    text = json.dumps(resource["Properties"])
    marks = [placeholder(name).removesuffix("}}") for name in names]
    return any(f"{mark}}}}}" in text or f"{mark}." in text for mark in marks)


def _make_bucket(storage: Any) -> None:
    try:
        region = {"LocationConstraint": REGION}
        storage.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
    except ClientError as error:  # one that was cut off has left it
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _answer(storage: Any, place: dict[str, str], request: str) -> dict[str, Any]:
    """Return the answer of a function once it has put it. Raises NotAnswered."""
    ends_s = time.monotonic() + ANSWERS_S
    while True:
        try:
            content = storage.get_object(**place)["Body"].read(ANSWER_MAX_BYTES + 1)
            break
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > ends_s:
                sentence = f"{request} puts no answer to ResponseURL within {ANSWERS_S:.0f} s"
                raise NotAnswered(sentence) from error
            time.sleep(LOOKS_S)
    storage.delete_object(**place)
    if len(content) > ANSWER_MAX_BYTES:
        raise NotAnswered(f"{request} answers more than {ANSWER_MAX_BYTES} bytes")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotAnswered(f"{request} answers no JSON: {content[:100]!r}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("Data") or {}, dict):
        raise NotAnswered(f"{request} answers no JSON object, or its Data is none")
    if answer.get("Status") != "SUCCESS":
        raise NotAnswered(f"{request} answers {answer.get('Status')}: {answer.get('Reason')}")
    return answer


def _as_text(value: Any) -> Any:
    """Return properties as CloudFormation gives them on: every number and flag is a text."""
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
