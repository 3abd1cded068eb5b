"""The triggers of a user pool that the emulator leaves out: of users made by others, or confirmed.

It calls PreSignUp for those who sign up themselves only, and PostConfirmation never.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import cognito

_Action = Callable[[dict[str, Any]], Any]  # its answer is a status, header fields and a body
_REFUSED = "UserLambdaValidationException"


def install() -> None:
    """Have the emulator's actions call these triggers too."""
    cognito._admin_create_user = _before_creation(cognito._admin_create_user)
    for name in ("_confirm_sign_up", "_admin_confirm_sign_up", "_sign_up"):
        setattr(cognito, name, _after_confirmation(getattr(cognito, name)))


def _before_creation(create: _Action) -> _Action:
    def create_user(data: dict[str, Any]) -> Any:
        pool_id, name = data.get("UserPoolId", ""), data.get("Username", "")
        pool = cognito._user_pools.get(pool_id)
        is_new = pool is not None and name not in pool["_users"]
        try:
            if is_new and data.get("MessageAction") != "RESEND":
                attributes = cognito._attr_list_to_dict(data.get("UserAttributes", []))
                source = "PreSignUp_AdminCreateUser"
                cognito._apply_presignup_trigger(pool_id, "", name, attributes, source)
        except cognito._PreSignUpRejected as error:
            return cognito.error_response_json(_REFUSED, str(error), 400)
        return create(data)

    return create_user


def _after_confirmation(confirm: _Action) -> _Action:
    def confirm_user(data: dict[str, Any]) -> Any:
        before = _status(data)
        answer = confirm(data)
        if before == "CONFIRMED" or _status(data) != "CONFIRMED":
            return answer
        pool_id, pool = _pool_of(data)
        function = (pool.get("LambdaConfig") or {}).get("PostConfirmation")
        if not function:
            return answer
        result = _invoke(function, _confirmed(pool_id, pool, data))
        if result.get("error"):
            return cognito.error_response_json(_REFUSED, str(result.get("body")), 400)
        return answer

    return confirm_user


def _pool_of(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the pool that a call names, itself or by one of its clients; empty without one."""
    for pool_id, pool in cognito._user_pools.items():
        if pool_id == data.get("UserPoolId") or data.get("ClientId") in pool["_clients"]:
            return pool_id, pool
    return "", {}


def _status(data: dict[str, Any]) -> str:
    _, pool = _pool_of(data)
    user = cognito._resolve_user(pool, data.get("Username", ""))[0] if pool else None
    return str(user["UserStatus"]) if user else ""


def _confirmed(pool_id: str, pool: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return the event of PostConfirmation."""
    user, _ = cognito._resolve_user(pool, data["Username"])
    attributes = cognito._attr_list_to_dict(user["Attributes"])
    attributes["cognito:user_status"] = "CONFIRMED"
    source = "PostConfirmation_ConfirmSignUp"
    client = data.get("ClientId", "")
    event: dict[str, Any] = cognito._build_presignup_event(
        pool_id, client, user["Username"], attributes, source
    )
    return {**event, "request": {"userAttributes": attributes}, "response": {}}


def _invoke(function: str, event: dict[str, Any]) -> dict[str, Any]:
    from ministack.services import lambda_svc  # noqa: PLC0415 - it imports this one's module too

    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    if record is None or config is None:
        return {"error": True, "body": f"PostConfirmation: there is no function {function}"}
    scope = lambda_svc._execution_record_for_config(record, config)
    result: dict[str, Any] = lambda_svc._execute_function_with_config_scope(scope, event)
    return result
