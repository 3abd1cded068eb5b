"""CloudFormation's functions (`Ref`, `Fn::Sub`, `Fn::If`, ...) resolved for this machine.

What only AWS can know, the endpoint of a cluster for instance, resolves to UNKNOWN.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from local.template.cfn_functions import owner_of, with_functions_of_sam
from local.template.document import fragment
from local.template.foreach import resources_of
from local.template.generated import (
    IMPLICIT_APIS,
    NAMED_BY_ID,
    api_endpoint,
    api_url,
    at_this_machine,
    is_generated,
    lacking,
    rule_event,
    url_api,
    url_owner,
)
from local.template.includes import included_file
from local.template.model import TemplateError
from local.template.parameters import read_parameters, without_value
from local.template.plain_values import base64_of, joined, split, text_of
from local.template.service_kinds import (
    KINDS,
    NAMED,
    PENDING,
    PLACEHOLDER,
    filled,
    name_by_default,
    placeholder,
    said_as_cloudformation,
)

REGION = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-west-1"
ACCOUNT_ID = "000000000000"
QUEUE_URL = f"http://sqs.local/{ACCOUNT_ID}/"


class Absent(Enum):
    """Values that are none: a property to leave out, and one that only AWS knows."""

    NO_VALUE = "AWS::NoValue"
    UNKNOWN = "known on AWS only"

    def __repr__(self) -> str:
        return f"what is {self.value}"

    __str__ = __repr__


NO_VALUE = Absent.NO_VALUE
UNKNOWN = Absent.UNKNOWN

PSEUDO_PARAMETERS: dict[str, str | Absent] = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::NoValue": Absent.NO_VALUE,
    "AWS::NotificationARNs": Absent.UNKNOWN,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/local/local",
    "AWS::StackName": "local",
    "AWS::URLSuffix": "amazonaws.com",
}

_PLACEHOLDER = re.compile(r"\$\{(!?)([^${}]+)\}")


class Resolver:
    """The resolver of one document's values; `where` in each call is (resource, property)."""

    def __init__(
        self,
        file: Path,
        document: dict[str, Any],
        overrides: dict[str, str],
        values: Mapping[str, str] | None = None,
    ) -> None:
        self._file = file
        self._globals: Mapping[str, Any] = document.get("Globals") or {}
        self._values = values or {}
        self.placeholders: set[str] = set()
        self._is_pending = values is PENDING
        self._tables: dict[str, Any] = document.get("Mappings") or {}
        self._conditions: dict[str, Any] = document.get("Conditions") or {}
        parameters = read_parameters(file, document.get("Parameters") or {}, overrides, UNKNOWN)
        self._parameters = {**PSEUDO_PARAMETERS, **parameters}
        self._without_value = without_value(document.get("Parameters") or {}, overrides)
        self.missing: dict[str, None] = {}  # parameters without a value that were asked for
        self._open_conditions: list[str] = []
        self._truths_by_name: dict[str, bool] = {}  # of conditions, which may rest on each other
        self.resources = {
            name: said_as_cloudformation(resource)
            for name, resource in with_functions_of_sam(self._unrolled(document)).items()
        }
        self._functions: dict[str, Callable[[Any, tuple[str, str]], Any]] = {
            "Ref": self._ref,
            "Condition": self.holds,
            "Fn::And": lambda value, where: all(self._truths(value, where, 2, 10)),
            "Fn::Base64": self._of_known(base64_of),
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": lambda _value, _where: UNKNOWN,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::ImportValue": lambda _value, _where: UNKNOWN,
            "Fn::Join": self._of_known(joined),
            "Fn::Length": self._length,
            "Fn::Not": lambda value, where: not self._truths(value, where, 1, 1)[0],
            "Fn::Or": lambda value, where: any(self._truths(value, where, 2, 10)),
            "Fn::Select": self._select,
            "Fn::Split": self._of_known(split),
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": self._to_json,
            "Fn::Transform": self._include,
        }

    def _unrolled(self, document: dict[str, Any]) -> dict[str, Any]:
        try:
            return resources_of(document, self._parameters)
        except ValueError as error:
            raise self._error(("Fn::ForEach", ""), str(error)) from error

    def declare(self, name: str, resource: dict[str, Any]) -> None:
        """Let a resource be referred to that the document has not."""
        self.resources[name] = resource

    def resolve(self, value: Any, where: tuple[str, str]) -> Any:
        """Return `value` with every function in it replaced, and NO_VALUE entries left out."""
        if isinstance(value, dict):
            if len(value) == 1 and (name := next(iter(value))) in self._functions:
                return self._filled(self._call(name, value[name], where))
            if len(value) == 1 and str(name).startswith("Fn::"):
                raise self._error(where, f"{name} is not emulated; write the value itself")
            pairs = {key: self.resolve(one, _inside(where, key)) for key, one in value.items()}
            return {key: one for key, one in pairs.items() if one is not NO_VALUE}
        if isinstance(value, list):
            return [one for one in (self.resolve(v, where) for v in value) if one is not NO_VALUE]
        return self._filled(value)

    def _filled(self, value: Any) -> Any:
        """Return `value` with what services have said in the place of their placeholders."""
        if isinstance(value, str) and ".execute-api." in value:
            value = at_this_machine(value, self.resources)
        if not isinstance(value, str) or "{{" not in value:
            return value
        self.placeholders.update(PLACEHOLDER.findall(value))
        text = filled(value, self._values.get)
        return UNKNOWN if PLACEHOLDER.search(text) and not self._is_pending else text

    def truth(self, value: Any, where: tuple[str, str]) -> bool:
        """Return a condition as a boolean; one that rests on what only AWS knows is false."""
        return self.resolve(value, where) is True

    def _truths(self, value: Any, where: tuple[str, str], fewest: int, most: int) -> list[bool]:
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise ValueError(value)
        return [self.truth(one, where) for one in value]

    def holds(self, condition: str, where: tuple[str, str]) -> bool:
        """Return whether the condition of that name holds."""
        if not isinstance(condition, str) or condition not in self._conditions:
            raise self._error(where, f"no condition {condition!r} in Conditions; add it there")
        if condition in self._truths_by_name:
            return self._truths_by_name[condition]
        if condition in self._open_conditions:
            raise self._error(where, f"the condition {condition!r} depends on itself")
        self._open_conditions.append(condition)
        try:
            self._truths_by_name[condition] = self.truth(self._conditions[condition], where)
            return self._truths_by_name[condition]
        finally:
            self._open_conditions.pop()

    def _call(self, name: str, value: Any, where: tuple[str, str]) -> Any:
        try:
            return self._functions[name](value, where)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._error(where, f"{name} has arguments it cannot take: {value!r}") from error

    def _error(self, where: tuple[str, str], sentence: str) -> TemplateError:
        return TemplateError(self._file, *where, sentence)

    def _ref(self, name: str, where: tuple[str, str]) -> Any:
        if name in self._parameters:
            if name in self._without_value:
                self.missing[name] = None
            return self._parameters[name]
        if name in IMPLICIT_APIS:
            return name
        if name not in self.resources:
            if function := url_owner(name, self.resources, self._globals):
                return self._arn_of(function)
            if (event := rule_event(name, self.resources)) is not None:
                return self._rule(name, event.get("RuleName"), event.get("EventBusName"))
            if is_generated(name, self.resources, self._globals):
                return UNKNOWN
            raise self._missing(f"!Ref {name}", name, where, "parameter or resource")
        return self._ref_resource(name)

    def _rule(self, event: str, *names: Any) -> str:
        """Return what `!Ref` of a rule gives: its name, behind that of a bus other than AWS's."""
        rule, bus = (self.resolve(each, (event, "")) for each in names)
        name = rule if isinstance(rule, str) else event
        return f"{bus}|{name}" if isinstance(bus, str) and bus != "default" else name

    def _ref_resource(self, name: str) -> Any:
        match self.resources[name].get("Type"):
            case "AWS::SQS::Queue":
                return QUEUE_URL + self.name_of(name)
            case "AWS::Serverless::Function":
                return self.name_of(name)
            case "AWS::Serverless::LayerVersion":
                return layer_arn(name)
            case kind if kind in NAMED_BY_ID:
                return name
            case kind if kind in NAMED:
                return self._of_service(name, NAMED[kind].ref, "")
        return UNKNOWN

    def _of_service(self, name: str, text: str, attribute: str) -> str:
        """Return what `text` says of a resource that a service makes, or its placeholder."""
        at = f"{REGION}:{ACCOUNT_ID}"
        service_value = text.format(
            name=self.service_name(name), id=name, at=at, region=REGION, account=ACCOUNT_ID
        )
        return service_value or placeholder(name, attribute)

    def service_name(self, logical_id: str) -> str:
        """Return the name of a resource that a service makes: as given, or of its logical id."""
        resource = self.resources[logical_id]
        property = NAMED[resource["Type"]].name
        declared = (resource.get("Properties") or {}).get(property)
        name = self.resolve(declared, (logical_id, property))
        return name if isinstance(name, str) else name_by_default(resource["Type"], logical_id)

    def name_of(self, logical_id: str) -> str:
        """Return the physical name of a queue or function: as given, or its logical id."""
        properties = self.resources[logical_id].get("Properties") or {}
        suffix = ".fifo" if properties.get("FifoQueue") in (True, "true") else ""
        declared = properties.get("QueueName", properties.get("FunctionName", logical_id + suffix))
        name = self.resolve(declared, (logical_id, "name"))
        return name if isinstance(name, str) else logical_id + suffix

    def _get_att(self, value: Any, where: tuple[str, str]) -> Any:
        path = ".".join(self.resolve(value, where)) if isinstance(value, list) else value
        name, attribute = path.split(".", 1)
        generated = f"{name}.{attribute.partition('.')[0]}"
        if lacking(generated, self.resources, self._globals):
            raise self._missing(f"!GetAtt {path}", generated, where)
        if attribute == "ApiEndpoint" and (url := api_endpoint(name, self.resources)):
            return url
        if name not in self.resources or is_generated(generated, self.resources, self._globals):
            return self._get_generated(name, attribute, where)
        return self._attribute(name, attribute, where)

    def _attribute(self, name: str, attribute: str, where: tuple[str, str]) -> Any:
        kind = self.resources[name].get("Type")
        match (kind, attribute):
            case ("AWS::SQS::Queue", "Arn" | "QueueName" | "QueueUrl"):
                arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:"
                before = {"Arn": arn, "QueueName": "", "QueueUrl": QUEUE_URL}
                return before[attribute] + self.name_of(name)
            case ("AWS::Serverless::Function", "Arn"):
                return self._arn_of(name)
            case ("AWS::Lambda::Url", _):
                function = owner_of(self.resources[name], self.resources)
                return self._of_url(function, attribute) if function else UNKNOWN
            case ("AWS::SQS::Queue" | "AWS::Serverless::Function", _):
                raise self._error(where, f"{kind} has no attribute {attribute}; use Arn")
        value = NAMED[kind].attributes.get(attribute, "") if kind in NAMED else ""
        is_unknown = kind not in KINDS and not value
        return UNKNOWN if is_unknown else self._of_service(name, value, attribute)

    def _get_generated(self, name: str, attribute: str, where: tuple[str, str]) -> Any:
        """Return an attribute of what SAM makes; of that only the URL of a function is here."""
        if function := url_owner(name, self.resources, self._globals):
            return self._of_url(function, attribute)
        is_made = is_generated(name, self.resources, self._globals)
        if attribute == "Arn" and name.endswith("Role") and is_made:
            return f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"
        if name in (*self.resources, *IMPLICIT_APIS) or is_made:
            return UNKNOWN
        raise self._missing(f"!GetAtt {name}.{attribute}", name, where)

    def _missing(
        self, reference: str, name: str, where: tuple[str, str], kind: str = "resource"
    ) -> TemplateError:
        sentence = f"no such {kind}; add it"
        if property := lacking(name, self.resources, self._globals):
            sentence = f"SAM makes it for {property} alone; add that"
        return self._error(where, f"{reference}: {sentence}")

    def _of_url(self, function: str, attribute: str) -> Any:
        url = f"{api_url(url_api(function))}/"
        addresses = {"FunctionUrl": url, "FunctionArn": self._arn_of(function)}
        return addresses.get(attribute, UNKNOWN)

    def _arn_of(self, function: str) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self.name_of(function)}"

    def _if(self, value: list[Any], where: tuple[str, str]) -> Any:
        condition, then, otherwise = value
        return self.resolve(then if self.holds(condition, where) else otherwise, where)

    def _equals(self, value: list[Any], where: tuple[str, str]) -> Any:
        left, right = (self.resolve(one, where) for one in value)
        return UNKNOWN if UNKNOWN in (left, right) else text_of(left) == text_of(right)

    def _select(self, value: list[Any], where: tuple[str, str]) -> Any:
        index, choices = value
        resolved = self.resolve(choices, where)
        number = int(self.resolve(index, where))
        if number < 0:  # counts from the end in Python, and nowhere else
            raise IndexError(number)
        return UNKNOWN if resolved is UNKNOWN else resolved[number]

    def _of_known(self, function: Callable[[Any], Any]) -> Callable[[Any, tuple[str, str]], Any]:
        """Return the function of CloudFormation that is `function` of what is known here."""

        def run(value: Any, where: tuple[str, str]) -> Any:
            resolved = self.resolve(value, where)
            return UNKNOWN if _has_unknown(resolved) else function(resolved)

        return run

    def _find_in_map(self, value: list[Any], where: tuple[str, str]) -> Any:
        table, first, second = (self.resolve(one, where) for one in value[:3])
        if UNKNOWN in (table, first, second):
            return UNKNOWN
        entry = self._tables.get(table, {}).get(first, {}).get(second)
        if entry is None and len(value) == 4:
            entry = value[3]["DefaultValue"]
        if entry is None:
            raise self._error(where, f"Mappings has no {table}.{first}.{second}; add it")
        return self.resolve(entry, where)

    def _length(self, value: Any, where: tuple[str, str]) -> Any:
        resolved = self.resolve(value, where)
        return UNKNOWN if resolved is UNKNOWN else len(resolved)

    def _to_json(self, value: Any, where: tuple[str, str]) -> Any:
        resolved = self.resolve(value, where)
        try:
            return json.dumps(resolved, separators=(",", ":"))
        except TypeError:
            return UNKNOWN  # as something in it is

    def _sub(self, value: Any, where: tuple[str, str]) -> Any:
        text, variables = value if isinstance(value, list) else (value, {})
        values = {name: self.resolve(one, where) for name, one in variables.items()}
        is_known = True

        def replace(match: re.Match[str]) -> str:
            nonlocal is_known
            if match[1]:
                return f"${{{match[2]}}}"
            name = match[2].strip()
            entry = values[name] if name in values else self._named(name, where)
            if entry is UNKNOWN:
                is_known = False
                return ""
            return text_of(entry)

        replaced = _PLACEHOLDER.sub(replace, text)
        return replaced if is_known else UNKNOWN

    def _include(self, value: Any, where: tuple[str, str]) -> Any:
        """Return what AWS::Include brings in from a file beside the template."""
        written = value["Parameters"]["Location"]
        file = included_file(self._file.parent, written, self.resolve(written, where))
        if value["Name"] != "AWS::Include" or file is None:
            return UNKNOWN
        return self.resolve(fragment(file), where)

    def _named(self, name: str, where: tuple[str, str]) -> Any:
        return self._get_att(name, where) if "." in name else self._ref(name, where)


def _has_unknown(value: Any) -> bool:
    return value is UNKNOWN or (isinstance(value, list) and any(map(_has_unknown, value)))


def _inside(where: tuple[str, str], name: Any) -> tuple[str, str]:
    resource, property = where
    return resource, f"{property}.{name}" if property else str(name)


def layer_arn(logical_id: str) -> str:
    """Return what `!Ref` of a layer of this template gives."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:layer:{logical_id}:1"
