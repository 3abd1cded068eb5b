"""The resources that other services make at the start, as CloudFormation says them, and the
notifications, subscriptions and rules that SAM makes of a function's events.
"""

import json
from collections.abc import Callable
from typing import Any

from local.template.api_records import Integration
from local.template.document import fragment
from local.template.integrations import start_execution
from local.template.intrinsics import UNKNOWN
from local.template.model import NotEmulated
from local.template.reader import Properties
from local.template.resources import FUNCTION, QUEUE, Resources
from local.template.schedule import is_enabled
from local.template.service_kinds import (
    BUCKET,
    BUS,
    CUSTOM,
    IGNORED,
    KINDS,
    RULE,
    SCHEDULE,
    STATE_MACHINE,
    SUBSCRIPTION,
    TOPIC,
    UNCALLED_TRIGGERS,
    USER_POOL,
)
from local.template.stack_checks import each_target, idle_end, refused
from local.template.stand_ins import buses_elsewhere

Made = dict[str, dict[str, Any]]  # type and properties by logical id
NO_ROLE = "arn:aws:iam::000000000000:role/local"
QUEUE_HIDES_S = 5400  # six times the longest time-out of a function
INPUTS = ("Input", "InputPath", "InputTransformer")
IDLE_PIPE = "nothing goes through it: nobody stands at that end here"
RETRIES = ("RetryPolicy", "DeadLetterConfig")  # of a target
NO_RETRIES = "has no effect here: each event reaches its target, whose own retries follow"
_BY_NAME_ELSEWHERE = "is no {} of this template; add it, or invoke the function yourself"


class StackBuilder:
    """The resources of one template that services make; `made` is what there is of them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.made: Made = {}
        self.between: list[Properties] = []  # mappings from queues that stand before a function
        self.routes: list[tuple[Properties, Integration]] = []  # of what starts a state machine
        for kind in KINDS:
            for name in resources.of_type(kind):
                with resources.refusals.leaving_out():
                    self._make(name, kind)
        self._events: dict[str, Callable[[Properties, str, str], None]] = {
            "S3": self._on_object,
            "SNS": self._on_message,
            "EventBridgeRule": self._on_event,
            "CloudWatchEvent": self._on_event,
            "Cognito": self._on_sign_in,
            "ScheduleV2": self._on_time,
        }

    def takes(self, kind: str, block: Properties) -> bool:
        """Tell whether an event is a service's to bring; one by the clock if it comes once."""
        is_repeated = kind == "ScheduleV2" and not block.starts("ScheduleExpression", "at(")
        return kind in self._events and not is_repeated

    def add(self, kind: str, block: Properties, function: str, event: str) -> None:
        """Have a function's event of that kind and name come to it."""
        self._events[kind](block, function, event)

    def subscribe(self, topic: str, arn: str, name: str, protocol: str, **more: Any) -> None:
        """Subscribe a function or queue, by its ARN, to the topic of an ARN."""
        properties = {"TopicArn": topic, "Protocol": protocol, "Endpoint": arn, **more}
        self.made[name] = {"Type": SUBSCRIPTION, "Properties": properties}

    def warn_of_retries(self) -> None:
        """Warn of each target of a rule or schedule that says what follows a failure."""
        for name, resource in self.made.items():
            for target in each_target(resource):
                for property in RETRIES:
                    if property in target:
                        self._warn(name, property, NO_RETRIES)

    def add_stand_ins(self) -> None:
        """Add the buses that rules listen to and that another stack has on AWS."""
        for rule, bus in buses_elsewhere(self.made).items():
            name = f"StandIn{''.join(filter(str.isalnum, bus))}"
            self.made[name] = {"Type": BUS, "Properties": {"Name": bus}}
            if "{{" not in bus:  # else a warning names the reference
                sentence = f"{bus} is no bus of this template; an empty one stands for it here"
                self._warn(rule, "EventBusName", sentence)

    def warn_of_ignored(self) -> None:
        """Warn of each property of what is made that the services here pass over."""
        for name, resource in self.made.items():
            for property in IGNORED.get(resource["Type"], ()):
                if resource["Properties"].get(property) not in (None, False, "false"):
                    self._warn(name, property, "has no effect in the services here")
            if resource["Type"] == USER_POOL:
                self._warn_of_triggers(name, resource["Properties"].get("LambdaConfig"))
            if end := idle_end(resource["Type"], resource["Properties"]):
                self._warn(name, end, IDLE_PIPE)

    def _warn_of_triggers(self, pool: str, triggers: Any) -> None:
        for trigger in UNCALLED_TRIGGERS:
            if isinstance(triggers, dict) and trigger in triggers:
                self._warn(pool, f"LambdaConfig: {trigger}", "is called by nobody here")

    def _make(self, name: str, kind: str) -> None:
        resolved = self._resources.made_of(name)
        properties = self._without_unknown(name, "", resolved)
        if property := KINDS[kind].name:
            properties[property] = self._resources.resolver.service_name(name)
        if blame := refused(kind, properties):
            raise self._resources.error(name, *blame)
        if kind == CUSTOM:
            self._make_custom(name, properties)
            return
        if kind == STATE_MACHINE:
            properties = self._machine(name, properties)
        self.made[name] = {"Type": kind, "Properties": properties}

    def _make_custom(self, name: str, properties: dict[str, Any]) -> None:
        """Add a custom resource; one whose function is elsewhere is named, and nobody's to make."""
        if str(properties.get("ServiceToken")) not in self._resources.by_arn(FUNCTION):
            sentence = "is no function of this template, so nobody is called for it"
            self._warn(name, "ServiceToken", sentence)
            return
        kind = self._resources.resolver.resources[name].get("ResourceType", CUSTOM)
        self.made[name] = {"Type": CUSTOM, "ResourceType": kind, "Properties": properties}

    def _without_unknown(self, name: str, path: str, value: Any) -> Any:
        """Return `value` without what only AWS knows, which a warning names."""
        if isinstance(value, list):
            return [self._without_unknown(name, path, each) for each in value]
        if not isinstance(value, dict):
            return value
        clean = {}
        for key, each in value.items():
            here = f"{path}.{key}" if path else str(key)
            if each is UNKNOWN and str(key).endswith(("Role", "RoleArn")):
                clean[key] = NO_ROLE  # nothing on one machine is asked for permission
            elif each is UNKNOWN or (isinstance(each, list) and UNKNOWN in each):
                self._warn(name, here, "has no value here, left out")
            else:
                clean[key] = self._without_unknown(name, here, each)
        return clean

    def _warn(self, name: str, property: str, sentence: str) -> None:
        self._resources.refusals.warnings.append(self._resources.error(name, property, sentence))

    def _machine(self, name: str, properties: dict[str, Any]) -> dict[str, Any]:
        """Return a state machine with its definition as one text, which is how it is made."""
        names = (
            "StateMachineName",
            "StateMachineType",
            "DefinitionString",
            "DefinitionSubstitutions",
        )
        machine = {key: properties[key] for key in names if key in properties}
        definition = properties.get("Definition")
        if "DefinitionUri" in properties:
            place = properties["DefinitionUri"]
            if not isinstance(place, str) or place.startswith("s3://"):
                sentence = "a definition in S3 is not fetched; name a file"
                raise NotEmulated(self._resources.refusals.file, name, "DefinitionUri", sentence)
            definition = fragment((self._resources.folder / place).resolve())
        if definition is not None:
            machine["DefinitionString"] = json.dumps(definition)
        text = machine.get("DefinitionString", "")
        for variable, value in machine.pop("DefinitionSubstitutions", {}).items():
            text = text.replace(f"${{{variable}}}", str(value))
        for event, about in self._block(name, "Events", properties.get("Events")).items():
            self._start_by(name, event, self._block(name, f"Events.{event}", about))
        return {**machine, "DefinitionString": text, "RoleArn": NO_ROLE}

    def _start_by(self, name: str, event: str, about: dict[str, Any]) -> None:
        """Have a rule or schedule start a state machine, as its event says."""
        kind = about.get("Type")
        properties = self._block(name, f"Events.{event}.Properties", about.get("Properties"))
        arn = self._resources.resolver.resolve({"Ref": name}, (name, ""))
        if kind == "Api":
            self._start_by_route(name, event, properties, arn)
            return
        inputs = {key: properties[key] for key in INPUTS if key in properties}
        is_on = properties.get(
            "State", "ENABLED" if properties.get("Enabled", True) else "DISABLED"
        )
        rule = {
            "Name": properties.get("Name") or properties.get("RuleName") or name + event,
            "State": is_on,
        }
        target = {"Arn": arn, "RoleArn": NO_ROLE, **inputs}
        if kind in ("EventBridgeRule", "CloudWatchEvent"):
            bus = (
                {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}
            )
            rule |= {
                "EventPattern": properties.get("Pattern"),
                **bus,
                "Targets": [{"Id": "a", **target}],
            }
        elif kind == "Schedule":
            schedule = {"ScheduleExpression": properties.get("Schedule")}
            rule |= {**schedule, "Targets": [{"Id": "a", **target}]}
        elif kind == "ScheduleV2":
            names = ("ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate")
            rule |= {key: properties[key] for key in names if key in properties}
            rule |= {"Target": target, "FlexibleTimeWindow": {"Mode": "OFF"}}
        else:
            self._warn(name, f"Events.{event}", f"{kind} starts no execution, on AWS neither")
            return
        self.made[name + event] = {
            "Type": SCHEDULE if kind == "ScheduleV2" else RULE,
            "Properties": rule,
        }

    def _block(self, name: str, path: str, value: Any) -> dict[str, Any]:
        """Return a copy of a block of names and values, empty where there is none."""
        if not isinstance(value, dict | None):
            raise self._resources.error(name, path, "has to be a block of names and values")
        return dict(value or {})

    def _start_by_route(self, name: str, event: str, properties: dict[str, Any], arn: str) -> None:
        """Have a route of an API start a state machine with the body, as SAM does."""
        path = f"Events.{event}.Properties"
        block = Properties(self._resources.refusals, name, properties, path)
        is_unescaped = block.flag("UnescapeMappingTemplate", False)
        self.routes.append((block, start_execution(arn, is_unescaped=is_unescaped)))

    def _named(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return the properties of the resource that services make under that name or ARN."""
        property = KINDS[kind].name
        for logical_id, resource in self.made.items():
            if resource["Type"] == kind and name in (
                resource["Properties"].get(property),
                logical_id,
                self._resources.resolver.resolve({"Ref": logical_id}, (logical_id, "")),
            ):
                properties: dict[str, Any] = resource["Properties"]
                return properties
        return None

    def _on_object(self, block: Properties, function: str, _event: str) -> None:
        name = block.text("Bucket")
        bucket = self._named(BUCKET, name)
        if bucket is None:
            raise block.not_emulated("Bucket", f"{name} {_BY_NAME_ELSEWHERE.format('bucket')}")
        events = block.take("Events")
        rules = block.take("Filter")
        block.finish()
        notified = bucket.setdefault("NotificationConfiguration", {})
        if not isinstance(notified, dict):
            raise block.error("Bucket", f"the NotificationConfiguration of {name} is no block")
        for event in events if isinstance(events, list) else [events]:
            notified.setdefault("LambdaConfigurations", []).append(
                {
                    "Event": event,
                    "Function": self._arn(function),
                    **({"Filter": rules} if rules else {}),
                }
            )

    def _on_message(self, block: Properties, function: str, event: str) -> None:
        topic = block.text("Topic")
        if self._named(TOPIC, topic) is None:
            raise block.not_emulated("Topic", f"{topic} {_BY_NAME_ELSEWHERE.format('topic')}")
        block.take("Region")
        names = ("FilterPolicy", "FilterPolicyScope", "RedrivePolicy")
        more = {name: block.take(name) for name in names if name in block}
        queue = block.take("SqsSubscription")
        if queue in (None, False, "false"):
            self.subscribe(topic, self._arn(function), function + event, "lambda", **more)
        else:
            arn = self._queue_between(block, queue, function + event)
            self.subscribe(topic, arn, function + event, "sqs", **more)
        block.finish()

    def _queue_between(self, block: Properties, about: Any, name: str) -> str:
        """Return the ARN of the queue from a topic to a function: one that stands, or a new one."""
        subscription = dict(about) if isinstance(about, dict) else {}
        if "QueueArn" not in subscription:
            self._resources.declare(f"{name}Queue", QUEUE, {"VisibilityTimeout": QUEUE_HIDES_S})
            subscription["QueueArn"] = self._resources.resolver.resolve(
                {"Fn::GetAtt": [f"{name}Queue", "Arn"]}, (name, "")
            )
        mapping = {
            key: subscription[key] for key in ("BatchSize", "Enabled") if key in subscription
        }
        self.between.append(
            block.item("SqsSubscription", {"Queue": subscription["QueueArn"], **mapping})
        )
        return str(subscription["QueueArn"])

    def _on_time(self, block: Properties, function: str, event: str) -> None:
        """Have the scheduler invoke a function once."""
        names = ("ScheduleExpression", "ScheduleExpressionTimezone", "State")
        schedule = {name: block.take(name) for name in names if name in block}
        inputs = {"Input": block.text("Input")} if "Input" in block else {}
        self.made[function + event] = {
            "Type": SCHEDULE,
            "Properties": {
                **schedule,
                "Name": block.text("Name", function + event),
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": self._arn(function), "RoleArn": NO_ROLE, **inputs},
            },
        }

    def _on_event(self, block: Properties, function: str, event: str) -> None:
        target = {"Arn": self._arn(function), "Id": f"{function}{event}LambdaTarget"[:64]}
        target |= {name: block.take(name) for name in INPUTS if name in block}
        block.take("Target")
        for name in RETRIES:
            if block.take(name) is not None:
                self._warn(function, f"Events.{event}.{name}", NO_RETRIES)
        is_on = block.flag("Enabled", True) and is_enabled(block)
        rule = {
            "Name": block.text("RuleName", function + event),
            "EventPattern": block.take("Pattern"),
            "State": "ENABLED" if is_on else "DISABLED",
            "Targets": [target],
        }
        if "EventBusName" in block:
            rule["EventBusName"] = block.text("EventBusName")
        block.finish()
        self.made[function + event] = {"Type": RULE, "Properties": rule}

    def _on_sign_in(self, block: Properties, function: str, _event: str) -> None:
        pool = self._named(USER_POOL, block.text("UserPool"))
        if pool is None:
            raise block.not_emulated("UserPool", _BY_NAME_ELSEWHERE.format("user pool"))
        triggers = block.take("Trigger")
        block.finish()
        for trigger in triggers if isinstance(triggers, list) else [triggers]:
            pool.setdefault("LambdaConfig", {})[trigger] = self._arn(function)

    def _arn(self, function: str) -> Any:
        return self._resources.resolver.resolve({"Fn::GetAtt": [function, "Arn"]}, (function, ""))
