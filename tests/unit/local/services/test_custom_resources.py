"""Custom resources: what their functions are called with, and when."""

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services import custom_resources
from local.services.custom_resources import CustomResources
from local.template import Template, load

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Maker:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, Handler: app.handler}
  Seed:
    Type: Custom::Seed
    Properties: {ServiceToken: !GetAtt Maker.Arn, Rows: [1, true], Table: "{{made:Table}}"}
"""


@dataclass
class World:
    """The services and the function: it answers as a test says, into the only object there is."""

    answers: list[dict[str, Any]]
    events: list[dict[str, Any]] = field(default_factory=list)

    def create_bucket(self, **_named: Any) -> None: ...

    def delete_bucket(self, **_named: Any) -> None: ...

    def delete_object(self, **_named: Any) -> None: ...

    def generate_presigned_url(self, operation: str, *, Params: dict[str, str]) -> str:
        return f"{operation} {Params['Bucket']}"

    def get_object(self, **_named: Any) -> Any:
        answer = self.answers.pop(0)
        if not answer:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(answer).encode())}

    def invoke(self, function: str, event: dict[str, Any]) -> tuple[Any, bool]:
        assert function == "Maker"
        self.events.append(event)
        return None, False

    @property
    def requests(self) -> list[tuple[str, Any]]:
        return [(each["RequestType"], each.get("PhysicalResourceId")) for each in self.events]


@pytest.fixture
def template(tmp_path) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return load(path, values={"{{made:Table}}": "Table"})


@pytest.fixture
def run(tmp_path, monkeypatch):
    def run(template: Template, *answers: dict[str, Any], table: str = "t") -> Any:
        world = World(list(answers))
        monkeypatch.setattr(custom_resources, "client", lambda *_named: world)
        path = tmp_path / "kept.json"
        resources = CustomResources(template, path, "http://127.0.0.1", world)  # type: ignore[arg-type]
        failures = resources.call(
            lambda properties, own: {
                **{name: own.get(str(value), value) for name, value in properties.items()},
                "Table": table,
            }
        )
        return world, failures, resources.values()

    return run


def made(physical_id: str) -> dict[str, Any]:
    return {"Status": "SUCCESS", "PhysicalResourceId": physical_id, "Data": {"On": True}}


def test_a_resource_is_created_once_with_texts_for_properties(template, run):
    world, failures, values = run(template, made("a"))
    again, _, _ = run(template)

    (event,) = world.events
    assert (failures, again.events) == ({}, [])
    assert values == {"{{made:Seed}}": "a", "{{made:Seed.On}}": "true"}
    assert (event["RequestType"], event["ResourceType"]) == ("Create", "Custom::Seed")
    assert event["LogicalResourceId"] == "Seed"
    assert event["ResponseURL"] == f"put_object {custom_resources.BUCKET}"
    assert event["ResourceProperties"]["Rows"] == ["1", "true"]
    assert event["ResourceProperties"]["Table"] == "t"


def test_changed_properties_are_an_update_and_another_id_deletes_the_old_one(template, run):
    run(template, made("a"))
    same, _, _ = run(template, made("a"), table="u")
    other, _, values = run(template, made("b"), made("a"), table="v")

    assert same.requests == [("Update", "a")]
    assert same.events[0]["OldResourceProperties"]["Table"] == "t"
    assert other.requests == [("Update", "a"), ("Delete", "a")]
    assert values["{{made:Seed}}"] == "b"


def test_a_resource_that_has_gone_from_the_template_is_deleted(template, run):
    run(template, made("a"))
    gone, failures, values = run(replace(template, made={}), made("a"))

    assert (gone.requests, failures, values) == ([("Delete", "a")], {}, {})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"Status": "FAILED", "Reason": "no room"}, "Create by Maker answers FAILED: no room"),
        ({}, "Create by Maker puts no answer to ResponseURL within 0 s"),
        (["SUCCESS"], "Create by Maker answers no JSON object, or its Data is none"),
        (
            {"Status": "SUCCESS", "Data": "a text"},
            "Create by Maker answers no JSON object, or its Data is none",
        ),
        (
            {"Status": "SUCCESS", "Data": {"Long": "x" * 5_000}},
            "Create by Maker answers more than 4096 bytes",
        ),
    ],
)
def test_what_fails_is_named_and_tried_again_at_the_next_start(
    template, run, monkeypatch, answer, reason
):
    monkeypatch.setattr(custom_resources, "ANSWERS_S", 0.0)
    _, failures, _ = run(template, answer)
    again, _, values = run(template, made("a"))

    assert failures == {"Seed": reason}
    assert (again.requests, values["{{made:Seed}}"]) == ([("Create", None)], "a")


def test_a_resource_that_needs_anothers_answer_comes_behind_it(template, run):
    needy = {**template.made["Seed"], "Properties": {**template.made["Seed"]["Properties"]}}
    needy["Properties"]["Of"] = "{{made:Seed.On}}"
    both = replace(template, made={"Needy": needy, **template.made})
    world, _, _ = run(both, made("a"), made("b"))

    assert [each["LogicalResourceId"] for each in world.events] == ["Seed", "Needy"]
    assert world.events[1]["ResourceProperties"]["Of"] == "true"


def test_a_resource_whose_function_has_gone_too_is_nobodys_to_delete(template, run):
    run(template, made("a"))
    gone, failures, values = run(replace(template, made={}, functions={}))

    assert (gone.events, failures, values) == ([], {}, {})
