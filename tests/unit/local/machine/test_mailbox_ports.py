"""The mailbox of a project that is not this backend, beside another that runs."""

import argparse
import contextlib
import os
import socket
from pathlib import Path

from local.commands import up
from local.daemon import arguments
from local.machine import plan
from local.runtime.interpreter import OWN
from local.spillway.extension import EXTENSION

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Runtime: python3.13
      CodeUri: .
      Policies: [SESCrudPolicy: {IdentityName: a}]
"""


def test_the_mailbox_takes_the_next_free_ports(tmp_path: Path):
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    parser = argparse.ArgumentParser()
    arguments.add_template(parser)
    arguments.add_state(parser, "")
    up.add(parser)
    state = str(tmp_path / "state")
    options = parser.parse_args(["--template", str(path), "--state", state, "--port", "5902"])
    options.console_port, options.invoke_port = 5980, 5901
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # who has it already does as well
            stack.enter_context(socket.create_server(("127.0.0.1", 1025)))
        template = plan.read(options)
        system, _ = plan.make(options, template, dict(os.environ), EXTENSION, OWN)
        mailbox = next(each for each in system.processes() if each.name == "mailbox")

    assert 1025 not in {port for port, _ in mailbox.port_settings}
