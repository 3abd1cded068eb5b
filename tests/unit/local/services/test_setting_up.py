"""The beginning of the services, where what it meets is not what it expects."""

from local.services.delivery import Delivery
from local.services.setting_up import set_up
from local.template import load, service_values


def test_a_fault_that_nobody_expects_is_a_failure_that_up_can_read(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(
        "Transform: AWS::Serverless-2016-10-31\nResources: {News: {Type: AWS::SNS::Topic}}\n"
    )
    (tmp_path / "run").mkdir()
    set_up(load(path), tmp_path, "no URL", Delivery("http://127.0.0.1:1"))

    assert service_values.read(tmp_path) == {}
    assert service_values.failures(tmp_path) == {
        "Resources": "ValueError: Invalid endpoint: no URL"
    }
