"""Nested stacks whose template is a file here: their resources become those of the outer stack.

The names of resources, conditions and mappings begin with the logical id of the nested stack. A
reference to a parameter becomes the outer stack's value for it, or its default; a reference to an
output becomes the output's value. Paths start at the nested template's folder.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-application.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-stack.html
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.template import document as documents
from local.template.model import TemplateError
from local.template.reader import merged

PLACES = {"AWS::Serverless::Application": "Location", "AWS::CloudFormation::Stack": "TemplateURL"}
DEPTH_MAX = 5  # of stacks inside one another
_GLOBALS = {
    "Function": "AWS::Serverless::Function",
    "Api": "AWS::Serverless::Api",
    "HttpApi": "AWS::Serverless::HttpApi",
    "SimpleTable": "AWS::Serverless::SimpleTable",
    "StateMachine": "AWS::Serverless::StateMachine",
    "LayerVersion": "AWS::Serverless::LayerVersion",
}
_IMPLICIT = {
    "Api": ("RestApiId", "ServerlessRestApi", "AWS::Serverless::Api", {"StageName": "Prod"}),
    "HttpApi": ("ApiId", "ServerlessHttpApi", "AWS::Serverless::HttpApi", {}),
}
_PATHS = ("CodeUri", "Code", "ContentUri", "Content", "DefinitionUri", "Location", "TemplateURL")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9]+)((?:\.[\w.]+)?)\}")

Document = dict[str, Any]


def with_nested_stacks(file: Path, document: Document, depth: int = 0) -> Document:
    """Return the document with the nested stacks in it whose templates are files here.

    Raises TemplateError for a stack inside itself, and for a file that cannot be read.
    """
    stacks = {
        name: path
        for name, resource in document["Resources"].items()
        if (path := _template_of(file, name, resource))
    }
    if not stacks:
        return document
    if depth == DEPTH_MAX:
        sentence = f"more than {DEPTH_MAX} stacks are inside one another; is one inside itself?"
        raise TemplateError(file, next(iter(stacks)), "", sentence)
    outer = {**document, "Resources": dict(document["Resources"])}
    outputs: dict[str, Any] = {}
    for name, path in stacks.items():
        properties = outer["Resources"].pop(name).get("Properties") or {}
        inner = with_nested_stacks(path, documents.read(path)[0], depth + 1)
        nested = _Nested(name, path.parent, inner, properties.get("Parameters") or {})
        for section in ("Resources", "Conditions", "Mappings"):
            own, brought = outer.get(section) or {}, nested.section(section)
            if both := sorted(own.keys() & brought.keys()):
                sentence = (
                    f"brings {both[0]!r} as it is called here, which is another's; rename one"
                )
                raise TemplateError(file, name, section, sentence)
            outer[section] = {**own, **brought}
        outputs |= nested.outputs()
    return dict(_with_outputs(outer, outputs))


def _template_of(file: Path, name: str, resource: Any) -> Path | None:
    """Return the file of a nested stack; None for another resource, or a template elsewhere."""
    if not isinstance(resource, dict) or str(resource.get("Type")) not in PLACES:
        return None
    properties = resource.get("Properties")
    place = properties.get(PLACES[resource["Type"]]) if isinstance(properties, dict) else None
    if not isinstance(place, str) or "://" in place:
        return None
    # Some write the path as it is from the folder that a build makes beside the template.
    paths = [(file.parent / folder / place).resolve() for folder in ("", "build")]
    if path := next(filter(Path.is_file, paths), None):
        return path
    sentence = f"{place} is no file; paths start at the template"
    raise TemplateError(file, name, PLACES[resource["Type"]], sentence)


class _Nested:
    """One nested stack in the form of a part of the outer one."""

    def __init__(
        self, name: str, folder: Path, document: Document, parameters: Mapping[str, Any]
    ) -> None:
        self._name = name
        self._folder = folder
        self._document = document
        declarations = document.get("Parameters") or {}
        self._parameters = {
            parameter: parameters.get(parameter, about.get("Default", ""))
            for parameter, about in declarations.items()
        }
        self._own = {*document["Resources"], *(one[1] for one in _IMPLICIT.values())}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._reference,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": self._text,
            "Fn::If": self._of_named("Fn::If"),
            "Fn::FindInMap": self._of_named("Fn::FindInMap"),
        }

    def section(self, name: str) -> Document:
        """Return Resources, Conditions or Mappings under their names in the outer stack."""
        entries = self._document.get(name) or {}
        if name == "Resources":
            entries = self._with_apis({key: self._resource(one) for key, one in entries.items()})
        return {self._name + key: self._rewritten(one) for key, one in entries.items()}

    def outputs(self) -> Document:
        """Return the values of the outputs, by what `!GetAtt` calls them."""
        return {
            f"{self._name}.Outputs.{name}": self._rewritten(output.get("Value"))
            for name, output in (self._document.get("Outputs") or {}).items()
            if isinstance(output, dict)
        }

    def _resource(self, resource: Any) -> Any:
        """Return a resource with the Globals of its own template, and none of the outer one."""
        if not isinstance(resource, dict):
            return resource
        shared: Any = {}
        for section, kind in _GLOBALS.items():
            if resource.get("Type") == kind:
                shared = (self._document.get("Globals") or {}).get(section) or {}
        properties = self._with_paths(merged(shared, resource.get("Properties") or {}))
        return {**resource, "IgnoreGlobals": "*", "Properties": properties}

    def _with_paths(self, properties: Document) -> Document:
        return {
            name: str(self._folder / value)
            if name in _PATHS and isinstance(value, str) and "://" not in value
            else value
            for name, value in properties.items()
        }

    def _with_apis(self, resources: Document) -> Document:
        """Return resources with the APIs that SAM makes for this stack's events."""
        further: Document = {}
        for resource in resources.values():
            events = resource["Properties"].get("Events") if isinstance(resource, dict) else None
            for event in (events or {}).values():
                if isinstance(event, dict) and str(event.get("Type")) in _IMPLICIT:
                    reference, name, kind, properties = _IMPLICIT[event["Type"]]
                    of_event = event.get("Properties") or {}
                    event["Properties"] = {reference: {"Ref": name}, **of_event}
                    further[name] = {"Type": kind, "Properties": properties}
        return {**further, **resources}

    def _rewritten(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._rewritten(one) for one in value]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if len(value) == 1 and name in self._functions:
            return self._functions[name](value[name])
        rewritten = {key: self._rewritten(one) for key, one in value.items()}
        if isinstance(condition := value.get("Condition"), str):
            rewritten["Condition"] = self._name + condition
        if "DependsOn" in value:
            before = value["DependsOn"]
            names = before if isinstance(before, list) else [before]
            rewritten["DependsOn"] = [f"{self._name}{each}" for each in names]
        return rewritten

    def _of_named(self, function: str) -> Callable[[Any], Any]:
        """Return the rewriting of a function whose first argument names a condition or mapping."""

        def rewrite(argument: Any) -> Any:
            first, *others = argument if isinstance(argument, list) else [argument]
            first = self._name + first if isinstance(first, str) else first
            return {function: [first, *map(self._rewritten, others)]}

        return rewrite

    def _reference(self, name: Any) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        return {"Ref": self._name + name if name in self._own else name}

    def _attribute(self, argument: Any) -> Any:
        path = argument if isinstance(argument, list) else str(argument).split(".", 1)
        return {"Fn::GetAtt": [self._name + path[0], *path[1:]]}

    def _text(self, argument: Any) -> Any:
        text, variables = argument if isinstance(argument, list) else (argument, {})
        variables = {name: self._rewritten(one) for name, one in variables.items()}

        def replace(match: re.Match[str]) -> str:
            name, attribute = match[1], match[2]
            if name in self._parameters and name not in variables and not attribute:
                variables[name] = self._parameters[name]
            is_own = name in self._own and name not in variables
            return f"${{{self._name if is_own else ''}{name}{attribute}}}"

        return {"Fn::Sub": [_VARIABLE.sub(replace, text), variables]}


def _with_outputs(value: Any, outputs: Mapping[str, Any]) -> Any:
    """Return `value` with the values of nested outputs in the place of references to them."""
    if isinstance(value, list):
        return [_with_outputs(one, outputs) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value:
        path = value["Fn::GetAtt"]
        name = ".".join(map(str, path)) if isinstance(path, list) else path
        return _with_outputs(outputs[name], {}) if name in outputs else value
    if "Fn::Sub" in value:
        argument = value["Fn::Sub"]
        text, variables = argument if isinstance(argument, list) else (argument, {})
        named = {"".join(filter(str.isalnum, name)): name for name in outputs if name in text}
        for alias, name in named.items():
            text = text.replace(f"${{{name}}}", f"${{{alias}}}")
            variables = {**variables, alias: outputs[name]}
        return {"Fn::Sub": [text, _with_outputs(variables, outputs)]}
    return {key: _with_outputs(one, outputs) for key, one in value.items()}
