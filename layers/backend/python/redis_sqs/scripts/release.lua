#!lua flags=allow-oom
-- Let a message become visible at another time than its visibility timeout says.
--
-- KEYS     1 visible_at zset   2 progress hash   3 wake list   4 retrying zset
-- ARGV     1 receipt handle, "id:receive count"   2 from now on, ms   3 reason, for the dead-letter queue;
--          with one it has failed and is tried again then, without it is in flight for so long
-- Returns  1 done; 0 the handle is not the newest one: nothing changed; -1 the message is visible
--          already: only the reason is kept, which a receiver that was too late has for it
--
-- One script, because the receive count is compared and the time changed: between the two somebody
-- else may receive the message. allow-oom: a worker that gives messages back must not be refused.
local visible_at, progress, wake, retrying = unpack(KEYS)

local id, count = string.match(ARGV[1], '^(.+):(%d+)$')
local state = id and redis.call('HGET', progress, id)
if not state or string.match(state, '^%d+') ~= count then
  return 0
end

if ARGV[3] ~= '' then
  redis.call('HSET', progress, id, string.match(state, '^%d+|%d+|%d+|') .. ARGV[3])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(redis.call('ZSCORE', visible_at, id)) <= now then
  return -1
end
redis.call('ZADD', visible_at, now + tonumber(ARGV[2]), id)
if ARGV[3] ~= '' then
  redis.call('ZADD', retrying, now + tonumber(ARGV[2]), id)
else
  redis.call('ZREM', retrying, id)
end
if redis.call('LLEN', wake) == 0 then
  redis.call('RPUSH', wake, 1)
end
return 1
