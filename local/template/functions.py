"""Functions and their layers."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from local.template.asynchronous import read_asynchronous
from local.template.code import inline_code, read_code
from local.template.intrinsics import ACCOUNT_ID, REGION, UNKNOWN
from local.template.layers import Layers, folders_of, layers_of
from local.template.model import Asynchronous, Function, Logging
from local.template.reader import Properties
from local.template.resources import FUNCTION, QUEUE, Resources
from local.template.service_kinds import BUS, TOPIC

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
ENVIRONMENTS_MAX = 64  # processes a function may ask for on one machine
_DEFAULT_BUS = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"
NO_VALUE_HERE = "has no value here, left out"
_HANDLER = re.compile(r"[\w/-]+(\.[\w-]+)*\.[A-Za-z_]\w*")


def read_function(resources: Resources, name: str, block: Properties, layers: Layers) -> Function:
    """Return one function, of the properties that are not its events."""
    runtime = _runtime(block)
    runs_python = runtime.startswith("python3.")
    handler = block.text("Handler")
    if runs_python and not _HANDLER.fullmatch(handler):
        raise block.error("Handler", f"{handler!r} is no module.function; correct it")
    if "DurableConfig" in block:
        raise block.not_emulated("DurableConfig", "durable functions are not emulated; remove it")
    _check_mounts(block)
    here = _here(resources, name)
    used = layers_of(resources, block, layers)
    function = Function(
        logical_id=name,
        name=resources.physical_name(block, "FunctionName"),
        handler=handler,
        runtime=runtime,
        code_uri=_code(resources, block),
        layers=folders_of(used),
        layer_builds=tuple(layer.build for layer in used if layer.build),
        requirements=tuple(layer.requirement for layer in used if layer.requirement),
        timeout_s=block.integer("Timeout", 3, lowest=1, highest=900),
        memory_mb=block.integer("MemorySize", 128, lowest=128, highest=10240),
        storage_mb=_storage_mb(block),
        environment=_environment(resources, block),
        reserved_concurrency=block.optional_integer(
            "ReservedConcurrentExecutions", lowest=0, highest=1_000_000
        ),
        environments=here.environments,
        every_s=here.every_s,
        priority=here.priority,
        asynchronous=_asynchronous(resources, block),
        logging=_logging(block),
        is_built_by_make=resources.metadata(name).get("BuildMethod") == "makefile"
        and not resources.says_what_it_takes,
        runtime_client=here.runtime_client if runs_python else "bootstrap",
    )
    block.finish()
    return function


def _check_mounts(block: Properties) -> None:
    """Refuse a function whose file system has no folder of this machine at its place."""
    for number, mount in enumerate(block.sequence("FileSystemConfigs")):
        entry = block.item(f"FileSystemConfigs.{number}", mount)
        path = Path(entry.text("LocalMountPath"))
        if not path.is_absolute() or ".." in path.parts or path == Path("/"):
            raise entry.error("LocalMountPath", f"{str(path)!r} is no place such as /mnt/files")
        if not (path.is_dir() and os.access(path, os.R_OK | os.W_OK)):
            sentence = f"a folder {path} of this machine stands for the file system; make it first"
            raise entry.not_emulated("LocalMountPath", f"{sentence}, and let yourself write to it")
        entry.warn(
            "LocalMountPath", f"the folder {path} of this machine stands for the file system"
        )


def _storage_mb(block: Properties) -> int:
    storage = block.block("EphemeralStorage")
    size = storage.integer("Size", 512, lowest=512, highest=10240)
    storage.finish()
    return size


def _logging(block: Properties) -> Logging:
    config = block.block("LoggingConfig")
    group = config.left("LogGroup") if "LogGroup" in config else ""
    is_json = _one_of(("Text", "JSON"), config, "LogFormat", "Text") == "JSON"
    for name in ("ApplicationLogLevel", "SystemLogLevel"):
        if name in config and not is_json:
            raise config.error(name, "is for LogFormat JSON only; add that or leave it out")
    level = _one_of(LOG_LEVELS, config, "ApplicationLogLevel", "INFO")
    of_lambda = _one_of(("DEBUG", "INFO", "WARN"), config, "SystemLogLevel", "INFO")
    config.finish()
    return Logging(
        is_json=is_json,
        level=level if is_json else "",
        says_all=of_lambda != "WARN",
        group=group if isinstance(group, str) else "",
    )


def _one_of(choices: Sequence[str], block: Properties, name: str, default: str) -> str:
    value = block.text(name, default)
    if value not in choices:
        raise block.error(name, f"{value!r} is none of {', '.join(choices)}; correct it")
    return value


def _asynchronous(resources: Resources, block: Properties) -> Asynchronous:
    queues = {
        arn: resources.resolver.name_of(name) for arn, name in resources.by_arn(QUEUE).items()
    }
    topics = {arn: arn for arn in resources.by_arn(TOPIC)}
    buses = {arn: arn for arn in (_DEFAULT_BUS, *resources.by_arn(BUS))}
    return read_asynchronous(
        block,
        {
            "SQS": queues.get,
            "Lambda": resources.by_arn(FUNCTION).get,
            "SNS": topics.get,
            "EventBridge": buses.get,
        },
    )


def _runtime(block: Properties) -> str:
    """Return the runtime: Python, or a custom one, which makes of the handler what it likes."""
    if block.text("PackageType", "Zip") != "Zip" or "ImageUri" in block:
        raise block.not_emulated("PackageType", "images are not emulated; use Zip and a Runtime")
    runtime = block.text("Runtime")
    if not runtime.startswith(("python3.", "provided.")):
        sentence = f"{runtime} is not emulated; python3.x and custom runtimes (provided.x) run here"
        raise block.not_emulated("Runtime", sentence)
    return runtime


class Here(NamedTuple):
    """The words of Metadata.Spillway on a function on this machine."""

    environments: int
    every_s: int | None
    priority: int | None
    runtime_client: str


def _here(resources: Resources, name: str) -> Here:
    ours = resources.ours(name)
    environments = ours.integer("Environments", 1, lowest=1, highest=ENVIRONMENTS_MAX)
    every_s = ours.optional_integer("EverySeconds", lowest=1, highest=86_400)
    priority = ours.optional_integer("Priority", lowest=1, highest=9)
    runtime_client = ours.text("RuntimeClient", "")
    if runtime_client not in ("", "awslambdaric"):
        raise ours.error("RuntimeClient", f"{runtime_client!r} is unknown; there is awslambdaric")
    ours.finish()
    return Here(environments, every_s, priority, runtime_client)


def _code(resources: Resources, block: Properties) -> Path:
    if "InlineCode" not in block:
        return read_code(block, "CodeUri", resources.folder, ".")
    block.take("CodeUri")
    return inline_code(block)


def _environment(resources: Resources, block: Properties) -> dict[str, str]:
    environment = block.block("Environment")
    variables = environment.block("Variables")
    environment.finish()
    values = {}
    for variable in variables.names():
        value = variables.left(variable)
        if value is UNKNOWN:
            # A program's settings mostly have a default that suits one machine.
            resources.refusals.warnings.append(variables.error(variable, NO_VALUE_HERE))
        elif isinstance(value, dict | list) or value is None:
            raise variables.error(variable, "has to be text")
        else:
            values[variable] = _text(value)
    return values


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
