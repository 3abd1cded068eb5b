"""A handler that can be imported."""


def handler(_event, _context):
    return {"statusCode": 200, "body": "whole"}
