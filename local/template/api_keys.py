"""API keys and usage plans: those that SAM makes for an API, and resources of their own."""

import hashlib
from dataclasses import replace

from local.template import support
from local.template.api_records import ApiKey, Quota, Throttle, UsagePlan
from local.template.intrinsics import UNKNOWN
from local.template.reader import Properties
from local.template.resources import API_KEY, USAGE_PLAN, USAGE_PLAN_KEY, Resources

# What one side of a throttle leaves out is the account's default.
RATE_DEFAULT_PER_S = 10_000
BURST_DEFAULT = 5_000
BURST_MAX = 1_000_000
QUOTA_MAX = 2**31 - 1
SAMS_OWN = ""  # the plan that SAM makes, for keys that refer to it
KEY_CHARS = (20, 128)  # 1.64


def read_usage_plans(
    resources: Resources, api: str, stage: str, made: tuple[UsagePlan, ...]
) -> tuple[UsagePlan, ...]:
    """Return the plans that hold for the stage of an API: those among `resources`,
    and those that SAM has `made`, which may have further keys.
    """
    keys = {name: _key(resources.properties(name)) for name in resources.of_type(API_KEY)}
    members: dict[str, list[ApiKey]] = {}
    for name in resources.of_type(USAGE_PLAN_KEY):
        block = resources.properties(name)
        key, plan = block.text("KeyId"), _plan_of(block)
        block.take("KeyType")
        block.finish()
        if key not in keys:
            raise block.error("KeyId", f"{key} is no {API_KEY} of this template; use !Ref")
        members.setdefault(plan, []).append(keys[key])
    plans = [
        _plan(name, resources.properties(name), tuple(members.get(name, ())), (api, stage))
        for name in resources.of_type(USAGE_PLAN)
    ]
    further = tuple(members.get(SAMS_OWN, ()))
    sams = tuple(replace(plan, keys=plan.keys + further) for plan in made)
    ours = (*sams, *(plan for plan in plans if plan is not None))
    _refuse_shared_keys(ours, resources)
    return ours


def _plan_of(block: Properties) -> str:
    """Return the plan of a key by its logical id; SAM's own is known by no other name."""
    if "UsagePlanId" not in block:
        return block.text("UsagePlanId")
    plan = block.left("UsagePlanId")
    return SAMS_OWN if plan is UNKNOWN else block.as_text("UsagePlanId", plan)


def read_sam_usage_plan(auth: Properties, api: str) -> tuple[UsagePlan, ...]:
    """Return the plan that SAM makes for an API by itself, with one key."""
    if "UsagePlan" not in auth:
        return ()
    block = auth.block("UsagePlan")
    kind = block.text("CreateUsagePlan")
    if kind not in ("PER_API", "SHARED", "NONE"):
        raise block.error("CreateUsagePlan", f"{kind} is none of PER_API, SHARED, NONE")
    name = "Serverless" if kind == "SHARED" else api
    throttle, quota = _throttle(block.block("Throttle")), _quota(block.block("Quota"))
    block.finish(support.USAGE_PLAN_PROPERTIES_WITHOUT_EFFECT)
    if kind == "NONE":
        return ()
    key = ApiKey(id=f"{name}ApiKey", value=generated(f"{name}ApiKey"), is_enabled=True)
    return (UsagePlan(name=f"{name}UsagePlan", keys=(key,), throttles=throttle, quota=quota),)


def generated(logical_id: str) -> str:
    """Return the value of a key without one: AWS makes it up; here it is always the same."""
    return hashlib.sha256(logical_id.encode()).hexdigest()[:40]


def _refuse_shared_keys(plans: tuple[UsagePlan, ...], resources: Resources) -> None:
    """Refuse a key in two plans for one stage: nobody could tell which plan counts."""
    plan_of: dict[str, str] = {}
    for plan in plans:
        for key in plan.keys:
            other = plan_of.setdefault(key.value, plan.name)
            if other != plan.name:
                sentence = f"{other} and {plan.name}, plans of one stage, both have it; leave one"
                raise resources.properties(key.id).error("Value", sentence)


def _key(block: Properties) -> ApiKey:
    value = block.text("Value", generated(block.resource))
    shortest, longest = KEY_CHARS
    if not shortest <= len(value) <= longest:
        raise block.error("Value", f"has to have {shortest} to {longest} characters")
    is_enabled = block.flag("Enabled", False)
    block.finish()
    return ApiKey(id=block.resource, value=value, is_enabled=is_enabled)


def _plan(
    name: str, block: Properties, keys: tuple[ApiKey, ...], stage: tuple[str, str]
) -> UsagePlan | None:
    throttles = _throttle(block.block("Throttle"))
    is_ours = False
    for index, entry in enumerate(block.sequence("ApiStages")):
        item = block.item(f"ApiStages[{index}]", entry)
        if (item.text("ApiId"), _stage_of(item, stage[1])) == stage:
            is_ours = True
            throttles += _method_throttles(item.block("Throttle"))
        else:
            item.take("Throttle")
        item.finish()
    plan = UsagePlan(name=name, keys=keys, throttles=throttles, quota=_quota(block.block("Quota")))
    block.finish()
    return plan if is_ours else None


def _stage_of(item: Properties, sams: str) -> str:
    """Return the stage of an entry; a reference to the one that SAM makes has its name."""
    if "Stage" not in item:
        return item.text("Stage")
    stage = item.left("Stage")
    return sams if stage is UNKNOWN else item.as_text("Stage", stage)


def _method_throttles(block: Properties) -> tuple[Throttle, ...]:
    """Return throttles under the names of methods, such as /pages/{name}/GET."""
    throttles: list[Throttle] = []
    for name in block.names():
        path, _, method = name.rpartition("/")
        throttles += _throttle(block.block(name), path or "/", method.upper())
    return tuple(throttles)


def _throttle(block: Properties, path: str = "/*", method: str = "*") -> tuple[Throttle, ...]:
    if not block.names():
        return ()
    throttle = Throttle(
        path=path,
        method=method,
        rate_per_s=block.decimal("RateLimit", RATE_DEFAULT_PER_S),
        burst=block.integer("BurstLimit", BURST_DEFAULT, lowest=0, highest=BURST_MAX),
    )
    block.finish()
    return (throttle,)


def _quota(block: Properties) -> Quota | None:
    if not block.names():
        return None
    period = block.text("Period")
    if period not in ("DAY", "WEEK", "MONTH"):
        raise block.error("Period", f"{period} is none of DAY, WEEK, MONTH")
    quota = Quota(limit=block.integer("Limit", 0, lowest=0, highest=QUOTA_MAX), period=period)
    if block.take("Offset", 0):
        block.refuse("Offset", "a first period that counts otherwise is not emulated; remove it")
    block.finish()
    return quota
