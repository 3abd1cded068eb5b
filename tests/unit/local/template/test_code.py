"""The origin of the code of a template's functions and layers."""

import inspect
import runpy
import zipfile
from pathlib import Path

import pytest

from local.template import TemplateError, code
from tests.unit.local.template.template_texts import FUNCTION, property_of_function


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def packed(path: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)


def test_a_zip_file_is_unpacked_once_for_all_that_name_it(read, tmp_path):
    packed(tmp_path / "deployment.zip", "app.py", "text")
    other = FUNCTION.replace("Pages:", "Other:")
    functions = read((FUNCTION + other).replace("CodeUri: .", "CodeUri: deployment.zip")).functions

    assert (functions["Pages"].code_uri / "app.py").read_text() == "text"
    assert functions["Other"].code_uri == functions["Pages"].code_uri
    assert len(list((tmp_path / "cache" / "spillway" / "code").iterdir())) == 1


def test_a_layer_may_be_a_zip_file(read, tmp_path):
    packed(tmp_path / "layer.zip", "python/rules.py", "text")
    layer = "Shared: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer.zip}}"
    function = read(f"{property_of_function('Layers: [!Ref Shared]')}  {layer}\n").functions[
        "Pages"
    ]

    assert [(folder / "rules.py").read_text() for folder in function.layers] == ["text"]


def test_inline_code_is_the_module_index(read):
    inline = "InlineCode: |\n        def handler(event, context):\n            return 1\n"
    function = read(FUNCTION.replace("CodeUri: .", inline)).functions["Pages"]

    text = (function.code_uri / "index.py").read_text()
    assert text == "def handler(event, context):\n    return 1\n"


def test_inline_code_that_cannot_be_kept_says_where(read, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(TemplateError, match=r"InlineCode: cannot be written to .*; set XDG_CACHE"):
        read(FUNCTION.replace("CodeUri: .", "InlineCode: text"))


@pytest.mark.parametrize("place", ["s3://bucket/key.zip", "{Bucket: b, Key: k}"])
def test_code_in_s3_is_refused_and_its_function_can_be_left_out(read, place):
    text = FUNCTION.replace("CodeUri: .", f"CodeUri: {place}")

    with pytest.raises(TemplateError, match="Pages: CodeUri: code in S3 is not fetched"):
        read(text)
    assert read(text, allow_unsupported=True).functions == {}


def test_a_file_that_is_no_zip_file_is_one_sentence(read, tmp_path):
    (tmp_path / "app.tar").write_text("no")

    with pytest.raises(TemplateError, match="cannot be unpacked"):
        read(FUNCTION.replace("CodeUri: .", "CodeUri: app.tar"))


def test_code_that_is_larger_than_lambda_takes_is_refused(read, tmp_path, monkeypatch):
    monkeypatch.setattr(code, "UNPACKED_BYTES_MAX", 3)
    packed(tmp_path / "large.zip", "app.py", "text")

    with pytest.raises(TemplateError, match="over 3 bytes unpacked"):
        read(FUNCTION.replace("CodeUri: .", "CodeUri: large.zip"))


def test_for_the_layer_of_powertools_stand_those_that_are_installed_here(read):
    arn = (
        "arn:aws:lambda:eu-west-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:9"
    )
    template = read(property_of_function(f"Layers: ['{arn}']"))

    assert template.functions["Pages"].layers == ()
    assert template.warnings[0].count("stands the Powertools installed here") == 1


PLAIN = """
  Pages:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Runtime: python3.13
      Role: !GetAtt Role.Arn
      TracingConfig: {Mode: Active}
      DeadLetterConfig: {TargetArn: !GetAtt Dead.Arn}
      Layers: [!Ref Shared]
      Code: {ZipFile: "def handler(event, context): return 1"}
  Shared: {Type: AWS::Lambda::LayerVersion, Properties: {Content: ./shared}}
  Dead: {Type: AWS::SQS::Queue}
  Role: {Type: AWS::IAM::Role}
  Wake:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Pages, EventSourceArn: !GetAtt Dead.Arn}
"""


def test_a_function_may_be_written_without_sam_and_gets_no_globals(read, tmp_path):
    (tmp_path / "shared" / "python").mkdir(parents=True)
    template = read(PLAIN, before="Globals: {Function: {Timeout: 9}}")

    pages = template.functions["Pages"]
    assert (pages.code_uri / "index.py").read_text().startswith("def handler")
    assert pages.layers == (tmp_path / "shared" / "python",)
    assert pages.asynchronous.dead_letter is not None
    assert pages.timeout_s == 3
    assert [mapping.function for mapping in template.mappings] == ["Pages"]
    assert template.warnings == ()


def test_the_folder_of_a_function_without_sam_is_its_code(read, tmp_path):
    (tmp_path / "src").mkdir()
    code = PLAIN.replace('{ZipFile: "def handler(event, context): return 1"}', "src")

    assert read(code.replace("[!Ref Shared]", "[]").replace("./shared", ".")).functions[
        "Pages"
    ].code_uri == (tmp_path / "src")


def test_inline_code_has_the_module_that_answers_custom_resources(read):
    text = "InlineCode: 'import cfnresponse'"
    folder = read(FUNCTION.replace("CodeUri: .", text)).functions["Pages"].code_uri
    module = runpy.run_path(str(folder / "cfnresponse.py"))

    assert (module["SUCCESS"], module["FAILED"]) == ("SUCCESS", "FAILED")
    assert list(inspect.signature(module["send"]).parameters)[:4] == [
        *("event", "context", "responseStatus", "responseData")
    ]
