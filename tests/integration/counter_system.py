"""A small system with one function that counts, and the commands on it."""

import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.machine import status
from local.machine.status import ProcessStatus

PROJECT = Path(__file__).parents[2]


TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Metadata: {Spillway: {Provides: [REDIS_URL, TOKEN_PRIVATE_KEY]}}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: prod}
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {QueueName: jobs}
  Counter:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {Environments: 2}}
    Properties:
      Handler: counter.handler
      Runtime: python3.13
      CodeUri: code/
      Timeout: 3
      Environment: {Variables: {REDIS_URL: "redis://elsewhere:6379", TOKEN_PRIVATE_KEY: ""}}
      Events:
        Count:
          Type: Api
          Properties: {Path: /count, Method: GET, RestApiId: !Ref Api}
"""


HANDLER = """
import os
import redis

store = redis.Redis.from_url(os.environ["REDIS_URL"])

def handler(event, context):
    key_is_there = os.environ["TOKEN_PRIVATE_KEY"].startswith("-----BEGIN PRIVATE KEY-----")
    return {"statusCode": 200 if key_is_there else 500, "body": str(store.incr("count"))}
"""


@dataclass(frozen=True)
class System:
    """A state directory and the environment that its commands are run with."""

    folder: Path
    port: int
    variables: dict[str, str]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "local", *arguments]
        if "--state" not in arguments:
            command += ["--state", str(self.state)]
        return subprocess.run(
            command,
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def count(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=10) as answer:
            return int(answer.read())

    def process(self, name: str) -> ProcessStatus:
        last = status.read(self.state)
        assert last is not None
        return next(each for each in last.processes if each.name == name)

    def pids(self) -> list[int]:
        """Return the supervisor's pid and all pids below it."""
        pid = status.supervisor_pid(self.state)
        assert pid
        return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
