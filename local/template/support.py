"""The resources and properties that are accepted without being emulated, and why: no effect
on what one machine does at run time, and resources that functions reach on AWS. Everything that
stands neither here nor in `build` is refused.
"""

from collections.abc import Mapping

# A key ends in `*` where a whole family of resource types is meant.
RESOURCES_WITHOUT_EFFECT = {
    "AWS::ApiGateway::Account": "the role for CloudWatch logs",
    "AWS::ApiGateway::BasePathMapping": "a domain name",
    "AWS::ApiGateway::ClientCertificate": "what the gateway calls is on this machine",
    "AWS::ApiGateway::DocumentationPart": "text for people",
    "AWS::ApiGateway::DocumentationVersion": "text for people",
    "AWS::ApiGateway::DomainName": "a domain name",
    "AWS::ApiGateway::BasePathMappingV2": "a domain name",
    "AWS::ApiGateway::DomainNameAccessAssociation": "a domain name",
    "AWS::ApiGateway::DomainNameV2": "a domain name",
    "AWS::ApiGateway::VpcLink": "networks",
    "AWS::ApiGatewayV2::VpcLink": "networks",
    "AWS::ApiGatewayV2::ApiMapping": "a domain name",
    "AWS::ApiGatewayV2::DomainName": "a domain name",
    "AWS::ApiGatewayV2::Model": "only WebSocket APIs have some",
    "AWS::ApplicationAutoScaling::*": "scaling on AWS",
    "AWS::ApplicationInsights::*": "alarms on AWS",
    "AWS::Backup::*": "backups on AWS",
    "AWS::Budgets::*": "money on AWS",
    "AWS::CertificateManager::*": "certificates; the gateway listens on loopback",
    "AWS::CloudWatch::*": "alarms and dashboards; the console has the metrics",
    "AWS::CloudFormation::Macro": "nothing is deployed here",
    "AWS::CloudFormation::WaitCondition": "nothing is deployed here",
    "AWS::CloudFormation::WaitConditionHandle": "nothing is deployed here",
    "AWS::CloudFront::*": "stands before the API on AWS",
    "AWS::CodeDeploy::*": "deployments",
    "AWS::DocDB::*": "the documents server or MONGO_URL stands for it",
    "AWS::DocDBElastic::*": "the documents server or MONGO_URL stands for it",
    "AWS::EC2::*": "networks",
    "AWS::EFS::*": "a folder of this machine stands for what a function mounts",
    "AWS::ElastiCache::*": "the embedded Valkey or REDIS_URL stands for it",
    "AWS::IAM::*": "nothing on one machine is asked for permission",
    "AWS::Lambda::Alias": "only $LATEST runs here",
    "AWS::Lambda::CapacityProvider": "functions run on this machine",
    "AWS::Lambda::CodeSigningConfig": "code comes from the checkout",
    "AWS::Lambda::LayerVersionPermission": "nothing on one machine is asked for permission",
    "AWS::Lambda::NetworkConnector": "networks",
    "AWS::Lambda::Permission": "nothing on one machine is asked for permission",
    "AWS::Lambda::Version": "only $LATEST runs here",
    "AWS::KMS::ReplicaKey": "nothing on one machine is replicated",
    "AWS::Logs::*": "logs are files in the state directory",
    "AWS::ResourceGroups::*": "lists on AWS",
    "AWS::Route53::*": "a domain name",
    "AWS::Events::Archive": "no event is replayed here",
    "AWS::Events::EventBusPolicy": "nothing on one machine is asked for permission",
    "AWS::S3::BucketPolicy": "nothing on one machine is asked for permission",
    "AWS::SES::*": "the mailbox stands for it",
    "AWS::SNS::TopicPolicy": "nothing on one machine is asked for permission",
    "AWS::SQS::QueuePolicy": "nothing on one machine is asked for permission",
    "AWS::SecretsManager::ResourcePolicy": "nothing on one machine is asked for permission",
    "AWS::SecretsManager::RotationSchedule": "nothing is rotated here",
    "AWS::SecretsManager::SecretTargetAttachment": "the database is on AWS",
    "AWS::Serverless::CapacityProvider": "functions run on this machine",
    "AWS::Serverless::Connector": "nothing on one machine is asked for permission",
    "AWS::Synthetics::*": "canaries on AWS",
    "AWS::WAFv2::*": "the gateway listens on loopback",
    "AWS::XRay::*": "tracing on AWS",
}

# Services that functions call by themselves. Each is named in a warning, as nobody answers here.
_CALLED = (
    *("AWS::AppConfig::*", "AWS::Athena::*", "AWS::Bedrock::*", "AWS::Cognito::*", "AWS::DSQL::*"),
    *("AWS::DynamoDB::*", "AWS::Glue::*", "AWS::Kinesis::*"),
    *("AWS::KinesisFirehose::*", "AWS::Lambda::MicrovmImage", "AWS::Location::*"),
    *("AWS::MSK::*", "AWS::MemoryDB::*"),
    *("AWS::Neptune::*", "AWS::OpenSearchServerless::*", "AWS::OpenSearchService::*"),
    *("AWS::RDS::*", "AWS::S3::*", "AWS::S3Vectors::*", "AWS::Timestream::*"),
)
# What brings events to functions: without it a function would wait for ever, without a word.
CALLS_FUNCTIONS = (
    *("AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::CloudFormation::Stack", "AWS::Lambda::"),
    *("AWS::Serverless::", "AWS::IoT::TopicRule", "AWS::VpcLattice::TargetGroup"),
)
RESOURCES_ELSEWHERE = {
    **dict.fromkeys(_CALLED, "functions reach none, or with --aws the one on AWS"),
    "AWS::Serverless::Application": "its template is elsewhere, and left out with what it has",
}

_PERMISSIONS = "nothing on one machine is asked for permission"
_TRACING = "X-Ray is not here"
_TEXT = "text for people"

FUNCTION_PROPERTIES_WITHOUT_EFFECT = {
    "Architectures": "the machine has the one it has",
    "AssumeRolePolicyDocument": _PERMISSIONS,
    "AutoPublishAlias": "only $LATEST runs here",
    "AutoPublishAliasAllProperties": "only $LATEST runs here",
    "AutoPublishCodeSha256": "only $LATEST runs here",
    "CapacityProviderConfig": "functions run on this machine",
    "CodeSigningConfigArn": "code comes from the checkout",
    "DeploymentPreference": "nothing is deployed here",
    "Description": _TEXT,
    "KmsKeyArn": "nothing is encrypted at rest here",
    "PermissionsBoundary": _PERMISSIONS,
    "Policies": _PERMISSIONS,
    "PropagateTags": _TEXT,
    "ProvisionedConcurrencyConfig": "environments are always warm here",
    "RecursiveLoop": "loops are not detected here",
    "Role": _PERMISSIONS,
    "RolePath": _PERMISSIONS,
    "PublishToLatestPublished": "only $LATEST runs here",
    "RuntimeManagementConfig": "the interpreter is the virtual environment's",
    "SnapStart": "environments are forked after the import, which does the same",
    "SourceKMSKeyArn": "nothing is encrypted at rest here",
    "Tags": _TEXT,
    "Tracing": _TRACING,
    "TracingConfig": _TRACING,
    "VersionDeletionPolicy": "only $LATEST runs here",
    "VersionDescription": _TEXT,
    "VpcConfig": "networks",
}

API_PROPERTIES_WITHOUT_EFFECT = {
    "AlwaysDeploy": "nothing is deployed here",
    "CacheClusterSize": "a cache that is switched on is refused",
    "CanarySetting": "nothing is deployed here",
    "Description": _TEXT,
    "Domain": "a domain name",
    "EndpointConfiguration": "the gateway listens on loopback",
    "FailOnWarnings": "a detail of how SAM deploys",
    "Mode": "a detail of how SAM deploys",
    "Name": _TEXT,
    "OpenApiVersion": "a detail of how SAM deploys",
    "PropagateTags": _TEXT,
    "SecurityPolicy": "the gateway speaks HTTP on loopback",
    "Tags": _TEXT,
    "TracingEnabled": _TRACING,
}

HTTP_API_PROPERTIES_WITHOUT_EFFECT = {
    "Description": _TEXT,
    "DisableExecuteApiEndpoint": "the gateway listens on loopback",
    "Domain": "a domain name",
    "FailOnWarnings": "a detail of how SAM deploys",
    "Name": _TEXT,
    "PropagateTags": _TEXT,
    "Tags": _TEXT,
}

WEBSOCKET_API_PROPERTIES_WITHOUT_EFFECT = {
    **HTTP_API_PROPERTIES_WITHOUT_EFFECT,
    "ApiKeySelectionExpression": "keys are not looked at",
    "DefaultRouteSettings": "messages are not throttled",
    "DisableSchemaValidation": "models are not looked at",
    "IpAddressType": "the gateway listens on loopback",
    "RouteSettings": "messages are not throttled",
}

API_KEY_PROPERTIES_WITHOUT_EFFECT = {
    "CustomerId": "the marketplace on AWS",
    "Description": _TEXT,
    "GenerateDistinctId": "the id is the logical one",
    "Name": _TEXT,
    "StageKeys": "usage plans replaced them",
    "Tags": _TEXT,
}

USAGE_PLAN_PROPERTIES_WITHOUT_EFFECT = {
    "Description": _TEXT,
    "Tags": _TEXT,
    "UsagePlanName": _TEXT,
}

METHOD_SETTINGS_WITHOUT_EFFECT = {
    "DataTraceEnabled": "logs are files in the state directory",
    "LoggingLevel": "logs are files in the state directory",
    "MetricsEnabled": "every route is measured",
}

LAYER_PROPERTIES_WITHOUT_EFFECT = {
    "CompatibleArchitectures": "the machine has the one it has",
    "CompatibleRuntimes": "the interpreter is the virtual environment's",
    "Description": _TEXT,
    "LayerName": _TEXT,
    "LicenseInfo": _TEXT,
    "PublishLambdaVersion": "only $LATEST runs here",
    "RetentionPolicy": "nothing is deployed here",
}

MAPPING_PROPERTIES_WITHOUT_EFFECT = {
    "MetricsConfig": "workers have metrics of their own",
    "Tags": _TEXT,
}

AUTH_PROPERTIES_WITHOUT_EFFECT = {
    "ResourcePolicy": _PERMISSIONS,
    "InvokeRole": _PERMISSIONS,
}

AUTHORIZER_PROPERTIES_WITHOUT_EFFECT = {
    "DisableFunctionDefaultPermissions": _PERMISSIONS,
    "EnableFunctionDefaultPermissions": _PERMISSIONS,
    "FunctionInvokeRole": _PERMISSIONS,
}


PROPERTIES_WITHOUT_EFFECT = {
    "AWS::Serverless::Function": FUNCTION_PROPERTIES_WITHOUT_EFFECT,
    "AWS::Serverless::Api": API_PROPERTIES_WITHOUT_EFFECT,
    "AWS::Serverless::HttpApi": HTTP_API_PROPERTIES_WITHOUT_EFFECT,
    "AWS::ApiGateway::ApiKey": API_KEY_PROPERTIES_WITHOUT_EFFECT,
    "AWS::ApiGateway::UsagePlan": USAGE_PLAN_PROPERTIES_WITHOUT_EFFECT,
    "AWS::Serverless::LayerVersion": LAYER_PROPERTIES_WITHOUT_EFFECT,
    "AWS::Lambda::EventSourceMapping": MAPPING_PROPERTIES_WITHOUT_EFFECT,
}


def why_without_effect(resource_type: str) -> str | None:
    """Return why a resource type may stand in a template without doing anything here."""
    return _entry(resource_type, RESOURCES_WITHOUT_EFFECT, RESOURCES_ELSEWHERE)


def why_elsewhere(resource_type: str) -> str | None:
    """Return what a user has to know of a resource type that is on AWS only, though not refused."""
    return _entry(resource_type, RESOURCES_ELSEWHERE, RESOURCES_WITHOUT_EFFECT)


def calls_functions(resource_type: str) -> bool:
    """Tell whether a resource type that is not emulated would bring events to functions."""
    return why_without_effect(resource_type) is None and resource_type.startswith(CALLS_FUNCTIONS)


def _entry(resource_type: str, table: Mapping[str, str], other: Mapping[str, str]) -> str | None:
    """Return the entry of a type, or of its family where `other` has not the type itself."""
    if resource_type in table or resource_type in other:
        return table.get(resource_type)
    return table.get(resource_type.rsplit("::", 1)[0] + "::*")
