"""The bounds of a function's calls of AWS: they stay on this machine, whatever its SDK.

A person's credentials and profiles are taken away, an SDK that does not look for endpoints in its
environment is given them, a name of AWS itself is not resolved, and every client is in one region.
"""

import os
import socket
import sys
from collections.abc import Callable, MutableMapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

LET_THROUGH = "SPILLWAY_AWS_LET_THROUGH"  # names of services; unset where nobody decides on calls
LOOKS_FOR_ENDPOINTS = (1, 31)  # botocore's first version that reads AWS_ENDPOINT_URL
# The modules that make clients, and the class of each that does; the second's is of its own.
SESSIONS = {"botocore.session": "Session", "aiobotocore.session": "AioSession"}
CALLBACKS = "apigatewaymanagementapi"  # the clients of WebSocket APIs
SECURE_HERE = ("https://127.0.0.1:", "https://localhost:")
OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
OTHER_WAYS = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)
_ARGUMENTS = (  # of a client, in their order
    *("region_name", "api_version", "use_ssl", "verify", "endpoint_url", "aws_access_key_id"),
    *("aws_secret_access_key", "aws_session_token", "config", "aws_account_id"),
)


def confine(variables: MutableMapping[str, str]) -> None:
    """Have all that this process will call stay here, but for the services let through."""
    services = variables.pop(LET_THROUGH, None)
    if services is None:
        return
    let_through = frozenset(filter(None, services.split(",")))
    if not let_through:
        _take_credentials(variables)
    hosts = [urlsplit(url).hostname for name, url in variables.items() if _is_endpoint(name)]
    real = tuple(host for host in hosts if host and is_of_aws(host))
    _guard_names(real)
    for name in SESSIONS:
        if name in sys.modules:
            _patch(sys.modules[name], let_through)
        else:
            sys.meta_path.insert(0, _Finder(name, let_through))


def is_of_aws(host: str) -> bool:
    """Tell whether a host's name is one of AWS itself."""
    return host.lower().rstrip(".").endswith(OF_AWS)


def _is_endpoint(name: str) -> bool:
    return name.startswith("AWS_ENDPOINT_URL")


def _take_credentials(variables: MutableMapping[str, str]) -> None:
    for name in OTHER_WAYS:
        variables.pop(name, None)
    variables.update(dict.fromkeys(KEYS, "local"))
    variables.update(dict.fromkeys(FILES, os.devnull))
    variables["AWS_EC2_METADATA_DISABLED"] = "true"


def _guard_names(real: tuple[str, ...]) -> None:
    """Resolve no name of AWS but `real` ones and what is under them."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        is_real = any(name == each or name.endswith(f".{each}") for each in real)
        if is_of_aws(name) and not is_real:
            sentence = f"{name} is AWS itself; calls stay on this machine without --aws SERVICE"
            raise socket.gaierror(socket.EAI_NONAME, sentence)
        return resolve(host, *arguments, **named)

    socket.getaddrinfo = getaddrinfo


class _Finder(MetaPathFinder):
    """The import hook for a module that makes clients, to change it once it is imported."""

    def __init__(self, module: str, let_through: frozenset[str]) -> None:
        self._module = module
        self._let_through = let_through

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec and spec.loader:
            spec.loader = _PatchingLoader(spec.loader, self._let_through)
        return spec


class _PatchingLoader(Loader):
    """A loader that changes the module which another one loads."""

    def __init__(self, loader: Loader, let_through: frozenset[str]) -> None:
        self._loader = loader
        self._let_through = let_through

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _patch(module, self._let_through)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # resources are read by way of it


def _with_buckets_in_paths(config: Any) -> Any:
    """Return the configuration of a client of S3: before an address no bucket's name can stand."""
    chosen = getattr(config, "s3", None) or {}
    if chosen.get("addressing_style") != "virtual":
        return config
    return config.merge(type(config)(s3={**chosen, "addressing_style": "path"}))


def _patch(module: Any, let_through: frozenset[str]) -> None:
    session = getattr(module, SESSIONS[module.__name__])
    make: Callable[..., Any] = session.create_client
    version = sys.modules["botocore"].__dict__.get("__version__", "0.0")
    is_old = tuple(int(part) for part in version.split(".")[:2]) < LOOKS_FOR_ENDPOINTS

    def create_client(self: Any, service_name: str, *arguments: Any, **named: Any) -> Any:
        named |= zip(_ARGUMENTS, arguments, strict=False)
        url = named.get("endpoint_url")
        is_real = bool(url) and is_of_aws(urlsplit(str(url)).hostname or "")
        if service_name in let_through:
            return make(self, service_name, **named)
        if region := os.environ.get("AWS_REGION"):
            named["region_name"] = region  # the one that all of this machine is in
        if service_name == CALLBACKS and str(url).startswith(SECURE_HERE):
            # Functions put https:// before the name that an event has; it is not spoken here.
            named["endpoint_url"] = str(url).replace("https", "http", 1)
        if service_name == "s3":
            named["config"] = _with_buckets_in_paths(named.get("config"))
        if is_real or (is_old and not url):
            # The session's own get_service_model is a coroutine where the SDK is asynchronous.
            loader = self.get_component("data_loader")
            service = loader.load_service_model(service_name, "service-2")["metadata"]
            named["endpoint_url"] = endpoint_of(service["serviceId"])
        return make(self, service_name, **named)

    session.create_client = create_client


def endpoint_of(service_id: str) -> str | None:
    """Return where this process finds a service, by the name that AWS's SDKs have for it."""
    name = service_id.upper().replace(" ", "_")
    return os.environ.get(f"AWS_ENDPOINT_URL_{name}") or os.environ.get("AWS_ENDPOINT_URL")
