#!lua
-- Give each notification of a tenant its turn: at once, or later where there are too many.
--
-- KEYS     1 the tenant's bucket; then one bucket a notification, its recipient's: each a string,
--          when it is empty again, us since the epoch
-- ARGV     1, 2 of the tenant's: us that a notification fills, us that it holds   3, 4 of a recipient's
--          5 longest wait, us
-- Returns  for each notification the ms that it has to wait, -1 where that is longer than the longest
--
-- One script, because two workers must not give the same turn twice. A bucket leaks at its rate (the
-- generic cell rate algorithm), so one number says how full it is; waiting fills it as sending does.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local tenant_step, tenant_holds, step, holds, longest = unpack(ARGV)

local function full_until(key)
  return math.max(tonumber(redis.call('GET', key) or 0), now)
end

local function keep(key, at)
  redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000))
end

local tenant = full_until(KEYS[1])
local waits = {}
for i = 2, #KEYS do
  local recipient = full_until(KEYS[i]) + step
  local wait = math.max(0, tenant + tenant_step - now - tenant_holds, recipient - now - holds)
  if wait > tonumber(longest) then
    waits[i - 1] = -1
  else
    waits[i - 1] = math.ceil(wait / 1000)
    tenant = tenant + tenant_step
    keep(KEYS[i], recipient)
  end
end
if tenant > now then
  keep(KEYS[1], tenant)
end
return waits
