"""The surroundings of a handler: import path, environment variables, and its own import."""

import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from local import PROJECT
from local.runtime import aws_calls, limits, packages
from local.runtime.environment import Fault, Handler, log
from local.runtime.launch import TOOL_PACKAGES, ToolFinder
from local.template import Function
from local.template.intrinsics import REGION

OWN_PACKAGES = {"local", "queue_workers", "redis_sqs"}
# There is no X-Ray daemon: Powertools' tracer and the SDK below it stay off.
NO_TRACING = {"AWS_XRAY_SDK_ENABLED": "false", "POWERTOOLS_TRACE_DISABLED": "true"}
LIBRARIES = TOOL_PACKAGES - OWN_PACKAGES
# The variable by which this machine's processes know where it takes spans.
OTLP_URL = "SPILLWAY_OTLP_URL"
RESTORE_TIMEOUT_S = 10.0  # AWS allows the hooks as long; SIGALRM then ends the environment


def prepare(function: Function, state: Path | None = None) -> None:
    """Set the import path, working directory and environment variables as Lambda does.

    A variable that the process was started with wins over the template's: that is how the
    supervisor points functions at this machine's stores.
    """
    aws_calls.confine(os.environ)
    for name, value in {**function.environment, **_defaults(function)}.items():
        os.environ.setdefault(name, value)
    os.environ.update(_lambda_variables(function))
    os.environ.update(_otlp_variables(function))
    for name, value in NO_TRACING.items():
        os.environ.setdefault(name, value)
    time.tzset()
    _hide_own_finders()
    sys.path[:0] = [str(folder) for folder in import_folders(function, state)]
    _hide_own_packages()
    os.chdir(function.code_uri)


def _hide_own_finders() -> None:
    """Have nothing of ours found any more by the handler, but what is installed beside its own.

    A checkout is no library of a function either; an installed tool shares its folder with
    libraries that may be the function's, unless the function runs on another Python.
    """
    if (PROJECT / "pyproject.toml").is_file():
        layer = PROJECT / "layers" / "backend" / "python"
        sys.path[:] = [path for path in sys.path if path not in (str(PROJECT), str(layer))]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not _is_ours(finder)]


def _hide_own_packages() -> None:
    """Have the handler import its own `local` or `yaml` where it has one, not the one that runs it.

    What is imported already goes on by its references. A library that the handler would find in
    the same file stays: one that is compiled cannot always be imported again.
    """
    own = OWN_PACKAGES | {name for name in LIBRARIES if not _is_what_is_found(name)}
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]


def _is_what_is_found(package: str) -> bool:
    """Return whether the imported package is the one that an import would find now."""
    spec = PathFinder.find_spec(package)
    file = getattr(sys.modules.get(package), "__file__", None)
    return spec is not None and spec.origin == file


def _is_ours(finder: object) -> bool:
    """Return whether an import finder is `launch`'s, or setuptools' for an editable install."""
    is_editable = getattr(finder, "__module__", "").startswith("__editable___spillway")
    return is_editable or type(finder).__name__ == ToolFinder.__name__


def import_folders(function: Function, state: Path | None = None) -> list[Path]:
    """Return where the function's modules are found: its own code, what was installed for it in
    `state`, then its layers."""
    installed = [packages.folder(state, function.logical_id)] if state else []
    return [function.code_uri, *installed, *function.layers]


def _defaults(function: Function) -> Mapping[str, str]:
    region = function.environment.get("AWS_REGION", REGION)
    return {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "LANG": "en_US.UTF-8"}


def _lambda_variables(function: Function) -> Mapping[str, str]:
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{os.getpid():032x}",
        **_logging_variables(function),
        "LAMBDA_TASK_ROOT": str(function.code_uri),
        "TZ": ":UTC",
    }


def _otlp_variables(function: Function) -> Mapping[str, str]:
    """Return what has OpenTelemetry's SDKs send their spans to this machine.

    It forwards them to a collector that the shell names; what the template sets stays.
    """
    url = os.environ.pop(OTLP_URL, "")
    if not url:
        return {}
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{url}/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": function.logical_id,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    if any(name.startswith("OTEL_EXPORTER_OTLP") for name in function.environment):
        variables = {name: each for name, each in variables.items() if "OTLP" not in name}
    return {name: each for name, each in variables.items() if name not in function.environment}


def _logging_variables(function: Function) -> Mapping[str, str]:
    if not function.logging.is_json:
        return {}
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": function.logging.level}


def use_temporary_directory(directory: Path, function: Function) -> None:
    """Have temporary files made in `directory`; what a predecessor left stays, if not too much."""
    if limits.is_overfull(directory, function):
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)


def import_handler(name: str) -> Handler:
    """Import `package.module.attribute`; raise Fault with Lambda's name for what went wrong."""
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': no dot in it")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
        handler: Handler = getattr(module, attribute)
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [place],
        ) from error
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except AttributeError as error:
        if error.name != attribute:
            raise _fault_of_import(error) from error
        raise Fault(
            "Runtime.HandlerNotFound", f"Handler '{attribute}' missing on module '{module_name}'"
        ) from error
    except Fault:
        raise  # it took too long
    except (Exception, SystemExit) as error:
        raise _fault_of_import(error) from error
    return handler


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Have SIGALRM raise Fault where the block is, once it has taken so long."""

    def interrupt(_signal_number: int, _frame: object) -> None:
        raise Fault("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def restore() -> None:
    """Call what the handler registered with `snapshot_restore_py.register_after_restore`.

    A forked environment is what Lambda's SnapStart makes of a snapshot: memory that is shared, and
    connections that each has to open for itself, here before it takes its first event. What fails
    is logged, and is for the first event to try again; AWS would throw the environment away.
    """
    hooks = sys.modules.get("snapshot_restore_py")
    if hooks is None:
        return
    signal.setitimer(signal.ITIMER_REAL, RESTORE_TIMEOUT_S)
    for hook, arguments, named in hooks.get_after_restore():
        try:
            hook(*arguments, **named)
        except Exception as error:  # edge: the user's hook may raise anything
            name = getattr(hook, "__qualname__", repr(hook))  # a partial has none
            log(f"{name} failed after the fork: {error}")
    signal.setitimer(signal.ITIMER_REAL, 0)


def _fault_of_import(error: BaseException) -> Fault:
    return Fault(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))


def failing_handler(fault: Fault) -> Handler:
    """Return a handler that answers every event with `fault`, as AWS does when the import fails."""

    def fail(_event: Any, _context: Any) -> Any:
        raise fault

    return fail
