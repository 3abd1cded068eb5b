"""The resources of a document that exist here, each with its properties resolved."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.template import cfn_functions, raw_apis, support
from local.template.generated import WEBSOCKET_API
from local.template.intrinsics import UNKNOWN, Resolver
from local.template.model import TemplateError
from local.template.reader import Properties, Refusals, merged
from local.template.service_kinds import KINDS

FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
API = "AWS::Serverless::Api"
HTTP_API = "AWS::Serverless::HttpApi"
API_KEY = "AWS::ApiGateway::ApiKey"
USAGE_PLAN = "AWS::ApiGateway::UsagePlan"
USAGE_PLAN_KEY = "AWS::ApiGateway::UsagePlanKey"
QUEUE = "AWS::SQS::Queue"
MAPPING = "AWS::Lambda::EventSourceMapping"
SUBSCRIPTION_FILTER = "AWS::Logs::SubscriptionFilter"
EMULATED = (
    *(FUNCTION, LAYER, QUEUE, MAPPING, SUBSCRIPTION_FILTER),
    *(API, HTTP_API, WEBSOCKET_API, API_KEY, USAGE_PLAN, USAGE_PLAN_KEY),
    *raw_apis.KINDS,
)

GLOBALS = {
    "Function": FUNCTION,
    "Api": API,
    "HttpApi": HTTP_API,
    "LayerVersion": LAYER,
    "WebSocketApi": WEBSOCKET_API,
}
# Globals that SAM would merge into resources which are refused or elsewhere anyway.
GLOBALS_OF_OTHERS = ("CapacityProvider", "SimpleTable", "StateMachine")


class Resources:
    """The resources as builders ask for them: which there are, and what stands in them."""

    def __init__(self, document: dict[str, Any], resolver: Resolver, refusals: Refusals) -> None:
        self.refusals = refusals
        self.resolver = resolver
        self._globals: dict[str, Any] = document.get("Globals") or {}
        ours = (document.get("Metadata") or {}).get("Spillway")
        # What it takes from this machine it says itself: nothing is guessed, built or installed.
        self.says_what_it_takes = isinstance(ours, dict) and bool(ours.get("Provides"))
        self._active = self._with_apis(self._existing(resolver.resources))

    def of_type(self, kind: str) -> list[str]:
        """Return logical ids, in the template's order."""
        return [name for name, resource in self._active.items() if resource["Type"] == kind]

    def every(self) -> list[dict[str, Any]]:
        """Return all resources of the document, also those that are not here, as they stand."""
        return list(self.resolver.resources.values())

    def by_arn(self, kind: str) -> dict[str, str]:
        """Return logical ids by what `!GetAtt NAME.Arn` gives."""
        return {
            self.resolver.resolve({"Fn::GetAtt": [name, "Arn"]}, (name, "Arn")): name
            for name in self.of_type(kind)
        }

    def by_name(self, kind: str) -> dict[str, str]:
        """Return logical ids by physical names."""
        return {self.resolver.name_of(name): name for name in self.of_type(kind)}

    def properties(self, name: str) -> Properties:
        """Return the properties of a resource, with the Globals of its type."""
        resource = self._active[name]
        kind = resource["Type"]
        shared: dict[str, Any] = {}
        for section, of_kind in GLOBALS.items():
            if kind == of_kind:
                shared = self._globals.get(section) or {}
        shared = self._without_ignored(shared, resource.get("IgnoreGlobals"))
        combined = merged(shared, resource.get("Properties") or {})
        without_effect = support.PROPERTIES_WITHOUT_EFFECT.get(kind, {})
        used = {key: value for key, value in combined.items() if key not in without_effect}
        return Properties(self.refusals, name, self.resolver.resolve(used, (name, "")))

    def made_of(self, name: str) -> dict[str, Any]:
        """Return the properties of a resource that a service makes, resolved."""
        properties = self._active[name].get("Properties") or {}
        return dict(self.resolver.resolve(properties, (name, "")))

    @staticmethod
    def _without_ignored(shared: dict[str, Any], ignored: object) -> dict[str, Any]:
        """Return Globals without those that the resource ignores: `*` for all, or a list."""
        names = ignored if isinstance(ignored, list) else shared if ignored == "*" else ()
        return {key: value for key, value in shared.items() if key not in names}

    def declare(self, name: str, kind: str, properties: dict[str, Any]) -> None:
        """Add a resource that the template has not: SAM or another stack makes it on AWS."""
        self._active[name] = {"Type": kind, "Properties": properties}
        self.resolver.declare(name, self._active[name])

    def metadata(self, name: str) -> Mapping[str, Any]:
        """Return what stands in a resource's Metadata, unresolved."""
        return self._active[name].get("Metadata") or {}

    def ours(self, name: str) -> Properties:
        """Return what a resource's Metadata.Spillway says of this machine."""
        return Properties(
            self.refusals, name, self.metadata(name).get("Spillway") or {}, "Metadata.Spillway"
        )

    @property
    def folder(self) -> Path:
        """The template's own, where its paths start."""
        return self.refusals.file.parent

    def physical_name(self, block: Properties, name: str) -> str:
        """Return the name that property `name` gives, the logical id where AWS alone knows it."""
        if name in block and block.left(name) is UNKNOWN:
            sentence = f"has no value here, {block.resource} is taken"
            self.refusals.warnings.append(block.error(name, sentence))
        return self.resolver.name_of(block.resource)

    def error(self, resource: str, property: str, sentence: str) -> TemplateError:
        return TemplateError(self.refusals.file, resource, property, sentence)

    def _existing(self, resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
        existing = {}
        for name, resource in resources.items():
            if not isinstance(name, str) or not name.isalnum():
                raise self.error(str(name), "", "a logical id has letters and digits; rename it")
            if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
                raise self.error(str(name), "Type", "is missing; a resource needs a type")
            condition = resource.get("Condition")
            if condition is not None and not self.resolver.holds(condition, (name, "Condition")):
                continue
            if resource["Type"] in cfn_functions.PARTS:
                self._check_owner(name, resource)
            elif self._is_here(name, resource["Type"]):
                existing[name] = resource
        return existing

    def _check_owner(self, name: str, part: dict[str, Any]) -> None:
        """Refuse a part of a function that is none of this template; others are in theirs."""
        if cfn_functions.owner_of(part, self.resolver.resources) is None:
            property = cfn_functions.PARTS[part["Type"]]
            sentence = "is no function of this template; use !Ref or !GetAtt of one"
            self.refusals.refuse(name, property, sentence)

    def _with_apis(self, resources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the resources, APIs that are written part by part as SAM's."""
        for name, property in raw_apis.parts_of_no_api(resources):
            self.refusals.refuse(name, property, "is no API of this template; use !Ref of one")
        as_sam = raw_apis.with_apis_of_sam(resources)
        for name, resource in list(as_sam.items()):
            if resource["Type"] in raw_apis.KINDS:
                sentence = "has to be HTTP or WEBSOCKET"
                self.refusals.refuse(name, "ProtocolType", sentence)
                del as_sam[name]
            elif resource is not resources[name]:
                self.resolver.declare(name, resource)
        return as_sam

    def _is_here(self, name: str, kind: str) -> bool:
        """Tell whether a resource of that type exists here; of others say what follows."""
        if kind in EMULATED or kind in KINDS:
            return True
        if why := support.why_elsewhere(kind):
            sentence = f"{kind} is not on this machine; {why}"
            self.refusals.warnings.append(self.error(name, "Type", sentence))
        elif support.calls_functions(kind):
            sentence = f"{kind} is not emulated on this machine; remove it or put it under"
            self.refusals.refuse(name, "Type", f"{sentence} a Condition")
        elif support.why_without_effect(kind) is None:
            sentence = f"{kind} is not on this machine; what calls it has nobody there"
            self.refusals.warnings.append(self.error(name, "Type", sentence))
        return False
