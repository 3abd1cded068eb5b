"""The authorizers of an API: Lambda functions, JSON Web Tokens, user pools and signatures."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from local.template import support
from local.template.api_records import (
    AnyAuthorizer,
    Authorizer,
    JwtAuthorizer,
    PoolAuthorizer,
)
from local.template.reader import Properties

TTL_DEFAULT_S = 300  # of a REST API's; an HTTP API keeps nothing unless it is told to
TTL_MAX_S = 3600

# What SAM calls the sources of identity, and what API Gateway does.
_SOURCES = {
    "Headers": "header",
    "QueryStrings": "querystring",
    "StageVariables": "stageVariables",
    "Context": "context",
}
_JWT_SOURCE = re.compile(r"\$request\.((header|querystring)\.[\w-]+)")

_POOL = re.compile(r"arn:aws[\w-]*:cognito-idp:([\w-]+):\d*:userpool/([\w-]+)")

IAM = "AWS_IAM"  # no authorizer of the template, but AWS's own

# What SAM reads of an authorizer and of its Identity; of anything else it says nothing.
_KNOWN = (
    *("AuthorizationScopes", "AuthorizerPayloadFormatVersion", "DisableFunctionDefaultPermissions"),
    *("EnableFunctionDefaultPermissions", "EnableSimpleResponses", "FunctionArn"),
    *("FunctionInvokeRole", "FunctionPayloadType", "Identity", "IdentitySource"),
    *("JwtConfiguration", "OpenIdConnectUrl", "UserPoolArn"),
)
_KNOWN_OF_IDENTITY = ("Header", "ReauthorizeEvery", "ValidationExpression", *_SOURCES)

Reader = Callable[[str, Properties, dict[str, str]], AnyAuthorizer]


@dataclass(frozen=True, slots=True)
class Authorizers:
    """The content of Auth: authorizers by name, the default one's name, and those left out."""

    by_name: dict[str, AnyAuthorizer]
    default: str | None
    left_out: frozenset[str]  # where the user allowed that; their routes are open


def read_authorizers(
    auth: Properties, functions_by_arn: dict[str, str], read: Reader
) -> Authorizers:
    """Return the authorizers of an API, each by `read`."""
    default = auth.text("DefaultAuthorizer", "") or None
    block = auth.block("Authorizers")
    names = block.names()
    authorizers: dict[str, AnyAuthorizer] = {}
    for name in names:
        with auth.leaving_out():
            authorizer = block.block(name)
            authorizer.pass_over(_KNOWN)
            authorizers[name] = read(name, authorizer, functions_by_arn)
    if default and default not in (IAM, *names):
        raise auth.error("DefaultAuthorizer", f"{default!r} is not in Authorizers; add it there")
    return Authorizers(authorizers, default, frozenset({*names} - authorizers.keys()))


def read_rest_authorizer(
    name: str, block: Properties, functions_by_arn: dict[str, str]
) -> AnyAuthorizer:
    """Return an authorizer of a REST API: a function, or Cognito's user pools."""
    if "UserPoolArn" in block:
        return _pools(name, block)
    function = _function(block, functions_by_arn)
    kind = block.text("FunctionPayloadType", "TOKEN")
    if kind not in ("TOKEN", "REQUEST"):
        raise block.error("FunctionPayloadType", f"{kind} is neither TOKEN nor REQUEST")
    identity = _identity(block)
    ttl_s = identity.integer("ReauthorizeEvery", TTL_DEFAULT_S, lowest=0, highest=TTL_MAX_S)
    if kind == "TOKEN":
        validation = _validation(identity)
        sources: tuple[str, ...] = (f"header.{identity.text('Header', 'Authorization')}",)
    else:
        validation = None
        sources = _sources(identity)
        if ttl_s and not sources:
            raise identity.error("Headers", "a cached answer needs a source of identity; add one")
    identity.finish()
    block.finish(support.AUTHORIZER_PROPERTIES_WITHOUT_EFFECT)
    return Authorizer(
        name=name,
        function=function,
        kind=kind,
        sources=sources,
        validation=validation,
        ttl_s=ttl_s,
    )


def _pools(name: str, block: Properties) -> PoolAuthorizer:
    arns = block.take("UserPoolArn")
    identity = _identity(block)
    validation = _validation(identity)
    header = identity.text("Header", "Authorization")
    identity.take("ReauthorizeEvery")
    identity.finish()
    scopes = block.texts("AuthorizationScopes")
    block.finish(support.AUTHORIZER_PROPERTIES_WITHOUT_EFFECT)
    return PoolAuthorizer(
        name=name,
        source=f"header.{header}",
        issuers=tuple(map(_issuer, arns if isinstance(arns, list) else [arns])),
        validation=validation,
        scopes=scopes,
    )


def _issuer(arn: object) -> str:
    """Return the issuer of a pool's tokens; a placeholder of the pool stays what it is."""
    pool = _POOL.fullmatch(str(arn))
    return f"https://cognito-idp.{pool[1]}.amazonaws.com/{pool[2]}" if pool else str(arn)


def read_http_authorizer(
    name: str, block: Properties, functions_by_arn: dict[str, str]
) -> Authorizer | JwtAuthorizer:
    """Return an authorizer of an HTTP API."""
    if "JwtConfiguration" in block:
        return _jwt(name, block)
    function = _function(block, functions_by_arn)
    payload = block.text("AuthorizerPayloadFormatVersion")
    is_simple = block.flag("EnableSimpleResponses", False)
    if payload not in ("1.0", "2.0") or (is_simple and payload == "1.0"):
        sentence = "has to be 1.0, or 2.0 as simple responses need it"
        raise block.error("AuthorizerPayloadFormatVersion", sentence)
    identity = _identity(block)
    sources = _sources(identity)
    ttl_s = identity.integer("ReauthorizeEvery", 0, lowest=0, highest=TTL_MAX_S)
    identity.finish()
    block.finish(support.AUTHORIZER_PROPERTIES_WITHOUT_EFFECT)
    return Authorizer(
        name=name,
        function=function,
        kind="REQUEST",
        sources=sources,
        validation=None,
        ttl_s=ttl_s if sources else 0,
        payload=payload,
        is_simple=is_simple,
    )


def _jwt(name: str, block: Properties) -> JwtAuthorizer:
    source = _JWT_SOURCE.fullmatch(block.text("IdentitySource"))
    if source is None:
        sentence = "has to be $request.header.NAME or $request.querystring.NAME"
        raise block.error("IdentitySource", sentence)
    configuration = block.block("JwtConfiguration")
    issuer = configuration.text("issuer" if "issuer" in configuration else "Issuer")
    audience = configuration.texts("audience") or configuration.texts("Audience")
    configuration.finish()
    scopes = block.texts("AuthorizationScopes")
    block.finish({})
    return JwtAuthorizer(
        name=name,
        source=source[1],
        issuer=issuer,
        audience=audience,
        scopes=scopes,
    )


def _function(block: Properties, functions_by_arn: dict[str, str]) -> str:
    if "FunctionArn" not in block:
        sentence = "an authorizer without FunctionArn (Cognito) is not emulated"
        raise block.not_emulated("", f"{sentence}; left out, everybody is let in")
    function = functions_by_arn.get(block.text("FunctionArn"))
    if function is None:
        raise block.error("FunctionArn", "is no function of this template; use !GetAtt NAME.Arn")
    return function


def _identity(block: Properties) -> Properties:
    identity = block.block("Identity")
    identity.pass_over(_KNOWN_OF_IDENTITY)
    return identity


def _validation(identity: Properties) -> str | None:
    expression = identity.text("ValidationExpression", "") or None
    if expression:
        try:
            re.compile(expression)
        except re.error as error:
            sentence = f"is no regular expression ({error}); correct it"
            raise identity.error("ValidationExpression", sentence) from error
    return expression


def _sources(identity: Properties) -> tuple[str, ...]:
    return tuple(
        f"{prefix}.{source}"
        for name, prefix in _SOURCES.items()
        for source in identity.sequence(name)
    )
