"""Functions and layers of a template."""

import sys

from tests.unit.template_texts import FUNCTION


def test_a_function_has_lambdas_defaults(read, tmp_path):
    function = read(FUNCTION).functions["Pages"]

    assert (function.name, function.handler) == ("Pages", "app.pages")
    assert (function.timeout_s, function.memory_mb) == (3, 128)
    assert function.code_uri == tmp_path
    assert (function.reserved_concurrency, function.environments) == (None, 1)
    assert (function.layers, function.environment) == ((), {})


def test_globals_are_merged_as_sam_does(read, tmp_path):
    for layer in ("shared", "own"):
        (tmp_path / layer / "python").mkdir(parents=True)
    before = """
Globals:
  Function:
    Timeout: 9
    Runtime: python3.12
    Layers: [!Ref Shared]
    Environment: {Variables: {A: global, B: global}}
"""
    resources = f"""{FUNCTION}
      Timeout: 4
      Layers: [!Ref Own]
      Environment: {{Variables: {{B: own, C: 1, D: true}}}}
  Shared: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: shared}}}}
  Own: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: own}}}}
"""

    function = read(resources, before=before).functions["Pages"]

    assert function.timeout_s == 4
    assert function.environment == {"A": "global", "B": "own", "C": "1", "D": "true"}
    assert [layer.parent.name for layer in function.layers] == ["own", "shared"]


def test_a_global_that_is_a_function_is_replaced_whole_as_sam_does(read):
    before = """
Conditions: {Never: !Equals [a, b]}
Globals:
  Function:
    Timeout: !If [Never, 7, 8]
    Environment: {Variables: {A: !If [Never, b, c], B: d, C: !If [Never, e, f]}}
"""
    resources = f"""{FUNCTION}
      Timeout: !Ref AWS::NoValue
      Environment: {{Variables: {{A: !Ref AWS::NoValue, B: !Ref AWS::Region}}}}
"""

    function = read(resources, before=before).functions["Pages"]

    assert function.timeout_s == 3
    assert function.environment == {"B": "eu-west-1", "C": "f"}


def test_environments_are_read_from_the_metadata(read):
    metadata = "    Metadata: {BuildMethod: makefile, Spillway: {Environments: 3}}\n"

    assert read(FUNCTION + metadata).functions["Pages"].environments == 3


def test_a_layer_that_sam_builds_brings_its_folder_and_a_packed_one_its_site_packages(
    read, tmp_path
):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    packed = tmp_path / "packed" / "python" / "lib" / f"python{version}" / "site-packages"
    packed.mkdir(parents=True)
    (tmp_path / "built").mkdir()
    function = read(
        f"""{FUNCTION}
      Layers: [!Ref Packed, !Ref Built]
  Packed: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: packed}}}}
  Built:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{BuildMethod: python3.13}}
    Properties: {{ContentUri: built}}
"""
    ).functions["Pages"]

    assert function.layers == (tmp_path / "built", packed, tmp_path / "packed" / "python")
