"""The emulator of the services: ministack, in this process, with data of its own."""

import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from local.aws_models.refusals import STATUS, WAY_OUT, refusal
from local.services.contents import Contents, install
from local.services.delivery import Delivery, as_kinesis_has, forwarder
from local.template.intrinsics import ACCOUNT_ID, REGION

PACKAGE = "ministack"
KEY = "local"  # of every function: its id, its secret and its token


def folder_of(state: Path) -> Path:
    """Return the folder of what the services keep."""
    return state / "data" / "services"


def objects_of(state: Path) -> Path:
    """Return the folder of S3's objects, by account and bucket."""
    return folder_of(state) / "s3"


def run(state: Path, port: int, delivery: Delivery, contents: Contents, *, mailbox: str) -> None:
    """Serve on the loopback port until SIGTERM, then write what is to be kept.

    What SES and Cognito send goes to the `mailbox`, HOST:PORT, or where it is empty to nobody.
    """
    folder = folder_of(state)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(objects_of(state)),
        "SMTP_HOST": mailbox,
        # Addresses that functions sign in advance are checked by these, which all of them have.
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "TMPDIR": str(folder),  # of its file with the process's id
        "IOT_MTLS_ENABLED": "0",  # ports that nobody asked for
        "SFTP_ENABLED": "0",
    }
    logging.getLogger().setLevel(logging.WARNING)  # it writes lines for each call
    logging.getLogger("local").setLevel(logging.INFO)
    # It reads the variables when it is imported.
    from ministack import app  # noqa: PLC0415
    from ministack.services import dynamodb, lambda_svc, s3, ses  # noqa: PLC0415

    from local.services import sign_up_triggers  # noqa: PLC0415

    # Who runs a function is its variable's to say; the call by HTTP that it would make loses the
    # name of an error, which state machines catch by.
    lambda_svc._execute_function_proxy = forwarder(delivery, mailbox)
    install(contents)
    sign_up_triggers.install()
    # Nobody here can open the mail by which SES verifies an address; each counts as verified.
    ses._identity_verified = lambda _address, **_options: True
    credential_of = s3.resolve_credential
    s3.resolve_credential = lambda key, account, *token: credential_of(
        key, account, *(() if key == KEY else token)
    )
    send_on = dynamodb._fan_out_to_kinesis
    dynamodb._fan_out_to_kinesis = lambda table, change: send_on(
        table, as_kinesis_has(table, change)
    )
    app.SERVICE_HANDLERS = _Handlers(app.SERVICE_HANDLERS)
    sys.argv[1:] = []
    app.main()


_Answer = tuple[int, dict[str, str], bytes]
_Handler = Callable[..., Awaitable[_Answer]]


class _Handlers(dict[str, _Handler]):
    """The handlers of the emulator's services; of another one, the handler that refuses by name."""

    def get(self, service: str, _default: Any = None) -> _Handler:
        """Return the handler of a service."""
        return self[service] if service in self else _refuser(service)


def _refuser(service: str) -> _Handler:
    """Return a handler that says that nobody serves this; the emulator's own has no message."""

    async def refuse(
        method: str, path: str, fields: Mapping[str, str], _body: bytes, _query: object
    ) -> _Answer:
        action = fields.get("x-amz-target", "").rpartition(".")[2] or f"{method} {path}"
        sentence = f"{action} of the AWS service {service} is not emulated here; {WAY_OUT}"
        return STATUS, *refusal(fields, service, sentence)

    return refuse
