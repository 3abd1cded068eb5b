"""The gaps of the emulator: what the template asks for in vain, left out by name.

What it accepts and then does differently is in `tests/e2e/differences`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Gap:
    """Resources of `kind` with `property_` are refused; `example` is the least of them."""

    kind: str
    property_: str
    reason: str
    example: dict[str, Any]

    def template(self) -> str:
        """Return a template of the example only: the day it deploys, the gap is no more."""
        resource = {"Type": self.kind, "Properties": self.example}
        return json.dumps({"Resources": {"Example": resource}})


GAPS = (
    Gap(
        "AWS::CloudWatch::Alarm",
        "Metrics",
        "alarms on an expression of several metrics are refused",
        {
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "Metrics": [
                {"Id": "twice", "Expression": "2 * errors"},
                {
                    "Id": "errors",
                    "ReturnData": False,
                    "MetricStat": {
                        "Stat": "Sum",
                        "Period": 60,
                        "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"},
                    },
                },
            ],
        },
    ),
)


def leave_out(built: Path) -> list[str]:
    """Take what the emulator refuses out of a built template; return a line for each."""
    template = yaml.safe_load(built.read_text())
    resources = template["Resources"]
    lines = []
    for name, gap in list(_refused(resources)):
        del resources[name]
        lines.append(f"{name} is left out: {gap.reason}")
    built.write_text(yaml.safe_dump(template, sort_keys=False))
    return lines


def _refused(resources: dict[str, Any]) -> Iterator[tuple[str, Gap]]:
    for name, resource in resources.items():
        for gap in GAPS:
            if resource["Type"] == gap.kind and gap.property_ in resource.get("Properties", {}):
                yield name, gap
