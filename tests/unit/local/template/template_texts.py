"""Pieces of templates that tests put together."""

HEAD = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
"""

FUNCTION = """
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Runtime: python3.13
      CodeUri: .
"""

API = """
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
"""


def property_of_function(line: str) -> str:
    """Return the function with one more property."""
    return f"{FUNCTION}      {line}\n"


def event(properties: str) -> str:
    """Return the function with one route of the API."""
    return f"{API}{FUNCTION}      Events: {{A: {{Type: Api, Properties: {properties}}}}}\n"
