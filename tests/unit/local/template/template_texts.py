"""Pieces of templates that tests put together."""

AT = "eu-west-1:000000000000"
PAGES = f"arn:aws:lambda:{AT}:function:Pages"

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

TABLE = """
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""


def property_of_function(line: str) -> str:
    """Return the function with one more property."""
    return f"{FUNCTION}      {line}\n"


def event(properties: str) -> str:
    """Return the function with one route of the API."""
    return f"{API}{FUNCTION}      Events: {{A: {{Type: Api, Properties: {properties}}}}}\n"
