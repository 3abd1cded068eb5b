"""The YAML of a template as plain dictionaries: CloudFormation's short tags become their long form.

Nothing is resolved here; `intrinsics` does that.
"""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.template.model import TemplateError

# A template is at most 1 MB on AWS (CloudFormation quota for a template body in S3).
TEMPLATE_BYTES_MAX = 1_000_000


# What anchors and aliases may make of that: a page of them can mean billions of values.
ENTRIES_MAX = 100_000
DEPTH_MAX = 100  # a dashboard's is 10
SECTIONS = ("Parameters", "Mappings", "Conditions", "Globals", "Metadata")


class _Loader(yaml.CSafeLoader):
    """A SafeLoader that knows `!Ref` and its like, and notes each key that stands twice.

    The one in C, because every process reads the template and this takes a fifth of the time.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.doubled: dict[int, str] = {}  # keys that stand twice, by the line of the last

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in keys:
                self.doubled[key.start_mark.line + 1] = key.value
            if isinstance(key.value, str):
                keys.add(key.value)
        return super().construct_mapping(node, deep)


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _as_text(loader: _Loader, node: yaml.Node) -> str:
    assert isinstance(node, yaml.ScalarNode)
    return str(loader.construct_scalar(node))


_Loader.add_multi_constructor("!", _short_tag)
# 2010-09-09 is a version, not a day: dates stay text.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def _depth(text: str) -> int:
    """Return how deep the collections of a text are nested, as far as that matters."""
    depth = deepest = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        deepest = max(deepest, depth)
        if deepest > DEPTH_MAX:
            break
    return deepest


def _entries(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return how many values a node stands for, each alias counted as what it repeats."""
    if id(node) not in counts:
        counts[id(node)] = ENTRIES_MAX + 1  # of a node inside itself
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        counts[id(node)] = 1 + sum(_entries(part, counts) for part in parts)
    return counts[id(node)]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of the file in which properties stand."""

    root: yaml.Node
    doubled: Mapping[int, str]  # keys that stand twice, by the line of the last

    def of(self, resource: str, property: str) -> int:
        """Return the line of `property`, or of what is nearest around it; 0 for none."""
        names = re.findall(r"[^.\[\]]+", property)
        if resource in (*SECTIONS, "Transform"):
            return self._descend((resource, *names))[-1]
        places = [
            self._descend(("Resources", resource, "Properties", *names)),
            self._descend(("Resources", resource, *names)),
        ]
        inherited = self._descend(("Globals", "Function", *names))
        if inherited[0] == 0:  # near is not enough there, as anything might have been
            places.append(inherited)
        return max(places)[-1]

    def _descend(self, names: tuple[str, ...]) -> tuple[int, int, int]:
        """Return how many `names` lead nowhere (negative), how many lead on, and the last line."""
        node, line = self.root, 0
        for depth, name in enumerate(names):
            entry = _entry(node, name)
            if entry is None:
                return depth - len(names), depth, line
            line, node = entry
        return 0, len(names), line


def _entry(node: yaml.Node, name: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
        entry = node.value[int(name)]
        return entry.start_mark.line + 1, entry
    return None


def read(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the document at `path`, or raise TemplateError that names the line."""
    text = _text(path, "the template", "pass an existing SAM template")
    document, root, doubled = _parse(path, text)
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(path, "Resources", "", "a SAM template needs a section Resources")
    lines = Lines(root, doubled)
    _check(path, document, lines)
    return document, lines


def fragment(path: Path) -> Any:
    """Return a file that a template names, such as the OpenAPI definition of an API."""
    return _parse(path, _text(path, "the definition", "paths start at the template"))[0]


def _text(path: Path, what: str, advice: str) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        sentence = f"cannot read {what} ({reason}); {advice}"
        raise TemplateError(path, "", "", sentence) from error
    if len(text) > TEMPLATE_BYTES_MAX:
        raise TemplateError(path, "", "", f"a template has at most {TEMPLATE_BYTES_MAX} bytes")
    return text


def _parse(path: Path, text: str) -> tuple[Any, yaml.Node, Mapping[int, str]]:
    try:
        if _depth(text) > DEPTH_MAX:  # which the parser in C would not survive
            raise TemplateError(path, "", "", "is nested too deep to be a template")
        loader = _Loader(text)
        root = loader.get_single_node() or yaml.ScalarNode("tag:yaml.org,2002:null", "")
        if _entries(root, {}) > ENTRIES_MAX:
            raise TemplateError(path, "", "", f"its aliases make over {ENTRIES_MAX} values of it")
        return loader.construct_document(root), root, loader.doubled
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        sentence = f"{error.problem or error.context}; correct the YAML there"
        raise TemplateError(path, "", "", sentence, mark.line + 1 if mark else 0) from error
    except yaml.YAMLError as error:
        raise TemplateError(path, "", "", f"is not YAML: {error}") from error


def _check(path: Path, document: dict[str, Any], lines: Lines) -> None:
    """Refuse sections, resources and properties that are no blocks."""
    for section in SECTIONS:
        if not isinstance(document.get(section) or {}, dict):
            line = lines.of(section, "")
            raise TemplateError(path, section, "", "has to be a block of names and values", line)
    for name, resource in document["Resources"].items():
        if not isinstance(resource, dict):
            continue  # refused with its name later
        for part in ("Properties", "Metadata"):
            if not isinstance(resource.get(part) or {}, dict):
                sentence = "has to be a block of names and values"
                raise TemplateError(path, str(name), part, sentence, lines.of(str(name), part))
