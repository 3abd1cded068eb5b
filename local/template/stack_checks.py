"""What AWS refuses of a table or bucket when it is made, said while the template is read."""

import re
from typing import Any

from local.template.service_kinds import BUCKET, TABLE

_BUCKET_NAME = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_KEY_KINDS = ("S", "N", "B")


def refused(kind: str, properties: dict[str, Any]) -> tuple[str, str] | None:
    """Return the property to blame and a sentence, None where nothing is wrong."""
    if kind == BUCKET and not _BUCKET_NAME.fullmatch(str(properties["BucketName"])):
        sentence = "has to be 3 to 63 of a-z 0-9 . - with a letter or digit at both ends"
        return "BucketName", f"{properties['BucketName']!r} {sentence}"
    return _refused_table(properties) if kind == TABLE else None


def _refused_table(properties: dict[str, Any]) -> tuple[str, str] | None:
    defined = {
        str(each.get("AttributeName")): each.get("AttributeType")
        for each in _entries(properties, "AttributeDefinitions")
    }
    for name, kind in defined.items():
        if kind not in _KEY_KINDS:
            return "AttributeDefinitions", f"the type of {name} has to be S, N or B, not {kind!r}"
    schemas = {"KeySchema": _entries(properties, "KeySchema")}
    for section in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for index in _entries(properties, section):
            schemas[section] = [*schemas.get(section, []), *_entries(index, "KeySchema")]
    if not schemas["KeySchema"]:
        return "KeySchema", "is missing; a table needs a key"
    for section, keys in schemas.items():
        for key in keys:
            if (name := str(key.get("AttributeName"))) not in defined:
                return section, f"{name} is no attribute of AttributeDefinitions; add it there"
    keyed = {str(key.get("AttributeName")) for keys in schemas.values() for key in keys}
    if spare := sorted(defined.keys() - keyed):
        return "AttributeDefinitions", f"{spare[0]} is no key of the table or an index; remove it"
    return None


def _entries(block: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = block.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
