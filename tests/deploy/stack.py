"""One stack from `sam build` to `sam delete`, and what is left in the account afterwards."""

import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.spillway.keys import demo_clients, private_key
from tests.deploy.commands import run
from tests.deploy.servers import REGION, ROOT, Cloud, Stores

NAME = "spillway-drill"
BUCKET = "spillway-drill-packages"
PROBE = "spillway-drill-probe"
PROBE_TIMEOUT_S = 20.0  # it is one resource, made or refused at once
POLL_S = 0.1
COMMAND_TIMEOUT_S = 300  # four times what the slowest, the build, takes on two busy cores
# Wheels must fit the processor that runs the functions, here this machine's.
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
# What may be left over: service, operation, where its answer has them, and their name there.
LISTS = (
    ("cloudformation", "describe_stacks", "Stacks", "StackName"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_layers", "Layers", "LayerName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("apigateway", "get_rest_apis", "items", "name"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
)


class CommandFailed(Exception):
    """A tool ended with an error; the message is the end of what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack to be, in an emulated account; `folder` takes the build."""

    cloud: Cloud
    folder: Path

    @property
    def template(self) -> Path:
        """The template that `build` makes and `deploy` takes."""
        return self.folder / "build" / "template.yaml"

    def build(self) -> dict[str, int]:
        """Build every package; return their unpacked sizes in bytes."""
        self._sam(
            *("build", "--template-file", ROOT / "template.yaml"),
            *("--build-dir", self.folder / "build", "--base-dir", ROOT),
            *("--parameter-overrides", f"Architecture={ARCHITECTURE}"),
        )
        return {
            each.name: sum(file.stat().st_size for file in each.rglob("*") if file.is_file())
            for each in sorted((self.folder / "build").iterdir())
            if each.is_dir()
        }

    def deploy(self, parameters: Mapping[str, str]) -> str:
        """Create or update the stack; return its API's address at the emulator."""
        path = self.folder / "parameters.yaml"  # of which JSON is a part
        path.write_text(json.dumps({"Architecture": ARCHITECTURE, **parameters}))
        try:
            self._sam(
                *("deploy", "--template-file", self.template),
                *("--stack-name", NAME, "--s3-bucket", BUCKET, "--no-progressbar"),
                *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"),
                *("--no-fail-on-empty-changeset", "--parameter-overrides", f"file://{path}"),
            )
        except CommandFailed as error:
            raise CommandFailed("\n".join((str(error), *self._failed_events()))) from error
        described = self._client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
        # https://<id>.execute-api.<region>.amazonaws.com/<stage>
        host, _, stage = outputs["ApiUrl"].removeprefix("https://").partition("/")
        api = host.partition(".")[0]
        return f"{self.cloud.endpoint}/restapis/{api}/{stage}/_user_request_"

    def make_bucket(self) -> None:
        """Make the bucket that takes the packages, as an account has one."""
        self._client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    @contextmanager
    def secret(self, content: Mapping[str, str]) -> Iterator[str]:
        """Keep `content` in Secrets Manager meanwhile; yield the secret's name."""
        client = self._client("secretsmanager")
        client.create_secret(Name=NAME, SecretString=json.dumps(content))
        try:
            yield NAME
        finally:
            client.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)

    def takes(self, template: str) -> bool:
        """Return whether the account makes a stack of `template`; it is deleted again."""
        client = self._client("cloudformation")
        client.create_stack(StackName=PROBE, TemplateBody=template)
        ends_s = time.monotonic() + PROBE_TIMEOUT_S
        while (status := self._status(PROBE)).endswith("IN_PROGRESS"):
            if time.monotonic() > ends_s:
                raise CommandFailed(f"the stack {PROBE} is still {status}")
            time.sleep(POLL_S)
        client.delete_stack(StackName=PROBE)
        return status == "CREATE_COMPLETE"

    def delete(self) -> None:
        """Delete the stack and its packages."""
        self._sam(
            *("delete", "--stack-name", NAME, "--no-prompts", "--region", REGION),
            *("--s3-bucket", BUCKET),
        )
        s3 = self._client("s3")
        for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=each["Key"])
        s3.delete_bucket(Bucket=BUCKET)

    def leftovers(self) -> list[str]:
        """Name what the account still holds."""
        return [
            f"{service}: {each[name] if name else each}"
            for service, operation, listed, name in LISTS
            for each in getattr(self._client(service), operation)().get(listed, [])
        ]

    def _status(self, name: str) -> str:
        (stack,) = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        status: str = stack["StackStatus"]
        return status

    def _failed_events(self) -> list[str]:
        events = self._client("cloudformation").describe_stack_events(StackName=NAME)
        return [
            f"{each['LogicalResourceId']}: {each['ResourceStatusReason']}"
            for each in reversed(events["StackEvents"])
            if each["ResourceStatus"].endswith("_FAILED")
        ]

    def _client(self, service: str) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]  # a name of many
            service,
            endpoint_url=self.cloud.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def _sam(self, *arguments: object) -> None:
        command = ["sam", *map(str, arguments)]
        done = run(command, self.cloud.environment, self.folder, timeout_s=COMMAND_TIMEOUT_S)
        if done.status:
            raise CommandFailed(
                f"sam {arguments[0]} ended with {done.status}:\n{done.output[-3000:]}"
            )


def parameters(stores: Stores, folder: Path) -> dict[str, str]:
    """Return the parameters that tell the stack of the stores beside it."""
    return {
        "RedisUrl": stores.redis_url,
        "MongoUrl": stores.mongo_url,
        "ProviderUrl": stores.provider_url,
        "SmtpUrl": stores.smtp_url,
        "TokenPrivateKey": private_key(folder),
        "OauthClients": demo_clients(),
    }
