#!lua flags=allow-oom
-- Let a message in flight become visible at another time; its group stays locked until then.
--
-- KEYS     as fifo.lua says
-- ARGV     1 receipt handle, "id:receive count"   2 from now on, ms   3 reason, as in release.lua
-- Returns  1 done, 0 the handle is old or expired: nothing changed
--
-- One script, because the handle is checked and the time changed. allow-oom, as in release.lua.
local id = held(ARGV[1])
if not id then
  return 0
end
redis.call('ZADD', visible_at, now + tonumber(ARGV[2]), id)
if ARGV[3] == '' then
  redis.call('ZREM', retrying, id)
else
  redis.call('ZADD', retrying, now + tonumber(ARGV[2]), id)
  local state = redis.call('HGET', progress, id)
  redis.call('HSET', progress, id, string.match(state, '^%d+|%d+|%d+|') .. ARGV[3])
end
reschedule(redis.call('HGET', group_of, id))
return 1
