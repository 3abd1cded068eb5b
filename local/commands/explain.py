"""The command `explain`: what was understood of a template, and what differs from AWS."""

import argparse
import json
import re
import sys
from typing import Any

from local.machine import plan
from local.machine.differences import differences
from local.runtime.interpreter import OWN, Interpreter
from local.template import Function, Template

Row = dict[str, Any]
OF_KIND = {"HTTP": re.compile(r"1\.7\d"), "WEBSOCKET": re.compile(r"1\.8\d")}


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    plan.add_config_env(parser)
    plan.add_python(parser)
    parser.add_argument(
        "--all", action="store_true", help="also each documented difference from AWS"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def show(options: argparse.Namespace) -> int:
    """Print it as tables, or as JSON."""
    options.allow_unsupported = True  # what `up` would refuse is listed
    template = plan.read(options)
    understood = explained(template, plan.python_of(options))
    if options.json:
        sys.stdout.write(json.dumps(understood, indent=1) + "\n")
        return 0
    if not options.all:
        understood["otherwise than on AWS"] = _shortened(understood["otherwise than on AWS"])
    sys.stdout.write(f"{template.path}\n")
    for section, rows in understood.items():
        if rows:
            sys.stdout.write(f"\n{section}\n")
            sys.stdout.writelines(f"  {line}\n" for line in _table(rows))
    return 0


def explained(template: Template, python: Interpreter = OWN) -> dict[str, list[Row]]:
    """Return sections of rows; every row of a section has the same names."""
    return {
        "routes": _routes(template),
        "authorizers": _authorizers(template),
        "API keys": _keys(template),
        "functions": [_function(each) for each in template.functions.values()],
        "queues": _queues(template),
        "mappings": _mappings(template),
        "schedules": _schedules(template),
        "streams": _streams(template),
        "other services": [
            {"resource": name, "type": each["Type"]} for name, each in template.made.items()
        ],
        "limits": _limits(template),
        "not here": [{"what": warning} for warning in template.warnings],
        "otherwise than on AWS": _otherwise(template, python),
    }


def _routes(template: Template) -> list[Row]:
    has_several = len(template.apis) > 1
    return [
        {
            "API": api.name if has_several else None,
            "method": route.method,
            "path": route.path,
            "function": route.function or (route.integration and route.integration.place),
            "authorizer": route.authorizer,
            "API key": "needed" if route.needs_key else None,
        }
        for api in template.apis
        for route in api.routes
    ]


def _authorizers(template: Template) -> list[Row]:
    return [
        {"name": name, "kind": type(each).__name__, "function": getattr(each, "function", None)}
        for api in template.apis
        for name, each in api.authorizers.items()
    ]


def _keys(template: Template) -> list[Row]:
    return [
        {
            "key": key.id,
            "plan": plan.name,
            "x-api-key": key.value,
            "quota": f"{plan.quota.limit} a {plan.quota.period.lower()}" if plan.quota else None,
        }
        for api in template.apis
        for plan in api.usage_plans
        for key in plan.keys
        if key.is_enabled
    ]


def _function(function: Function) -> Row:
    return {
        "function": function.logical_id,
        "handler": function.handler,
        "runtime": function.runtime,
        "code": str(function.code_uri),
        "layers": len(function.layers),
        "timeout": f"{function.timeout_s} s",
        "memory": f"{function.memory_mb} MB",
        "environments": function.environments,
        "reserved": function.reserved_concurrency,
        "variables": list(function.environment),
    }


def _queues(template: Template) -> list[Row]:
    return [
        {
            "queue": queue.name,
            "FIFO": "yes" if queue.is_fifo else None,
            "visibility": f"{queue.visibility_timeout_s} s",
            "delay": f"{queue.delay_s} s",
            "retention": f"{queue.retention_s} s",
            "receives": queue.max_receive_count,
            "dead letters": queue.dead_letter,
        }
        for queue in template.queues.values()
    ]


def _mappings(template: Template) -> list[Row]:
    return [
        {
            "queue": template.queues[mapping.queue].name,
            "function": mapping.function,
            "batch": mapping.batch_size,
            "window": f"{mapping.window_s} s",
            "failures": "one by one" if mapping.report_failures else "whole batch",
            "concurrency": mapping.maximum_concurrency,
            "filters": len(mapping.filters),
        }
        for mapping in template.mappings
    ]


def _schedules(template: Template) -> list[Row]:
    rows: list[Row] = []
    for schedule in template.schedules:
        function = template.functions.get(schedule.function)
        every_s = function and function.every_s
        cron = schedule.cron
        on_aws = f"{cron.text} {cron.zone}" if cron else f"every {schedule.every_s} s"
        here = f"every {every_s} s" if every_s else on_aws
        target = schedule.function or template.queues[schedule.queue].name
        rows.append({"function or queue": target, "on AWS": on_aws, "here": here})
    return rows


def _streams(template: Template) -> list[Row]:
    return [
        {
            "stream": mapping.stream,
            "function": mapping.function,
            "batch": mapping.batch_size,
            "window": f"{mapping.window_s} s",
            "from": mapping.starts,
            "failures": "one by one" if mapping.report_failures else "whole batch",
            "filters": len(mapping.filters),
        }
        for mapping in template.streams
    ]


def _limits(template: Template) -> list[Row]:
    sets = [("stage " + api.stage, api.throttles) for api in template.apis]
    sets += [
        ("plan " + plan.name, plan.throttles) for api in template.apis for plan in api.usage_plans
    ]
    return [
        {
            "of": name,
            "method": throttle.method,
            "path": throttle.path,
            "rate": f"{throttle.rate_per_s:g}/s",
            "burst": throttle.burst,
        }
        for name, throttles in sets
        for throttle in throttles
    ]


def _otherwise(template: Template, python: Interpreter) -> list[Row]:
    """Return the documented differences of the parts that the template has."""
    sections = ["2."]
    if template.api.routes:
        sections.append("1.")
    if template.queues:
        sections.append("3.")
    if template.mappings:
        sections.append("4.")
    if template.made or template.streams:
        sections.append("5.")
    kinds = {api.kind for api in template.apis}
    of_others = [rows for kind, rows in OF_KIND.items() if kind not in kinds]
    rows: list[Row] = [
        {"row": each.row, "kind": each.kind, "here": each.here}
        for each in differences()
        if each.row.startswith(tuple(sections))
        and not any(rows.fullmatch(each.row) for rows in of_others)
    ]
    runtimes = {each.runtime for each in template.functions.values()}
    others = sorted(each for each in runtimes - {str(python)} if each.startswith("python"))
    if others:
        here = f"functions of {', '.join(others)} run on {python}"
        rows.insert(0, {"row": None, "kind": "differs", "here": here})
    return rows


def _shortened(rows: list[Row]) -> list[Row]:
    """Return the rows of this template alone, and how many documented ones there are."""
    own = [row for row in rows if row["row"] is None]
    count = len(rows) - len(own)
    here = f"{count} documented differences are about what it has; --all lists them"
    return [*own, {"row": None, "kind": None, "here": here}] if count else own


def _table(rows: list[Row]) -> list[str]:
    """Return aligned columns, without those that are empty; of a list its length is shown.

    A single column needs no name: the section's says it.
    """
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    heads = [names] if len(names) > 1 else []
    cells = heads + [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    return "-" if value is None else str(value)
