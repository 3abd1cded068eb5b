"""The environment of the processes of one machine: addresses of stores and of AWS's APIs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from local.machine.other_services import OtherServices
from local.machine.ports import Ports
from local.template import Template, TemplateError
from local.template.generated import API_URLS_VARIABLE
from local.traces import export

INVOKE_URL = "AWS_ENDPOINT_URL_LAMBDA"  # where AWS's SDKs and its command line look for Lambda
SQS_URL = "AWS_ENDPOINT_URL_SQS"
CALLBACKS_URL = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"
ADDRESS_SETTINGS = (
    *("REDIS_URL", "REDIS_URL_FILE", "MONGO_URL", "QUEUE_BACKEND", "PROVIDER_URL", "SMTP_URL"),
    *(INVOKE_URL, SQS_URL),
)


def documents_socket(state: Path) -> Path:
    """Return the unix socket of the embedded documents, which functions use."""
    return state / "run" / "documents.sock"


def redis_url_file(state: Path) -> Path:
    """Return the file that holds the address of the embedded Valkey."""
    return state / "run" / "redis-url"


def variables(
    environ: Mapping[str, str],
    template: Template,
    *,
    state: Path,
    ports: Ports,
    redis_url: str,
    services: OtherServices = OtherServices(),  # noqa: B008 - frozen
    extension: Mapping[str, Callable[[], str]],
) -> dict[str, str]:
    """Return the environment of every child; what `environ` already says is kept.

    Of this machine's settings functions are told those that their template asks for. Raises
    TemplateError.
    """
    offers = {**_offers(state, redis_url), **extension}
    for name in sorted(template.provides - offers.keys()):
        sentence = f"{name} is nothing that this machine provides; it has {', '.join(offers)}"
        raise TemplateError(template.path, "Metadata", "Spillway.Provides", sentence)
    missing = template.provides - environ.keys()
    settings = {name: offer() for name, offer in offers.items() if name in missing}
    settings[API_URLS_VARIABLE] = json.dumps(_api_urls(template, ports))
    settings |= _callbacks_url(template, ports)
    settings[INVOKE_URL] = f"http://127.0.0.1:{ports.invoke}"
    settings[export.URL] = f"http://127.0.0.1:{ports.otlp}"
    if template.queues:
        settings[SQS_URL] = settings[INVOKE_URL]
    settings |= services.variables(ports.services, settings[INVOKE_URL], environ)
    if not _has_credentials(environ):
        # SDKs sign what they send to this machine too, where nobody checks it.
        settings |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    if "REDIS_URL" not in {**settings, **environ}:
        # For those who carry the queues: a function's own REDIS_URL is what its template says.
        settings["REDIS_URL_FILE"] = _write_file(redis_url_file(state), redis_url)
    always = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", export.URL: settings[export.URL]}
    return {**settings, **environ, **always}


def _api_urls(template: Template, ports: Ports) -> dict[str, str]:
    """Return the address of each API by its logical id, and of the first by no name."""
    names = ["", *(api.name for api in template.apis[1:])]
    numbers = (ports.gateway, *ports.apis)
    return {name: f"http://127.0.0.1:{port}" for name, port in zip(names, numbers, strict=True)}


def _callbacks_url(template: Template, ports: Ports) -> dict[str, str]:
    """Return where functions reach clients of the first WebSocket API, if there is one."""
    pairs = zip(template.apis, (ports.gateway, *ports.apis), strict=True)
    urls = [f"http://127.0.0.1:{port}" for api, port in pairs if api.kind == "WEBSOCKET"]
    return dict.fromkeys([CALLBACKS_URL], urls[0]) if urls else {}


def _offers(state: Path, redis_url: str) -> dict[str, Callable[[], str]]:
    """Return what any template may list in Metadata.Spillway.Provides."""
    return {
        "REDIS_URL": lambda: redis_url,
        "MONGO_URL": lambda: f"mongodb://{quote(str(documents_socket(state)), safe='')}",
        "QUEUE_BACKEND": lambda: "redis",
    }


def _has_credentials(environ: Mapping[str, str]) -> bool:
    """Return whether SDKs would find credentials by themselves."""
    named = {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} & environ.keys()
    return bool(named) or (Path.home() / ".aws" / "credentials").is_file()


def _write_file(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)
