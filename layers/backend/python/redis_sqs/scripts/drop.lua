#!lua flags=allow-oom
-- Delete a message by its id, as a person does who has looked at it.
--
-- KEYS     1 visible_at zset   2 entries hash   3 progress hash   4 delayed zset   5 retrying zset
-- ARGV     1 id   2 receive count that the person saw
-- Returns  1 deleted, 0 it is not there, -1 it is in flight or was received since
--
-- One script, because somebody may receive it between the look and the deletion. allow-oom, as in
-- delete.lua.
local visible_at, entries, progress, delayed, retrying = unpack(KEYS)
local id, seen = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local at = redis.call('ZSCORE', visible_at, id)
if not at then
  return 0
end
local waits = redis.call('ZSCORE', delayed, id) or redis.call('ZSCORE', retrying, id)
local count = string.match(redis.call('HGET', progress, id) or '', '^%d+')
if count ~= seen or (tonumber(at) > now and not waits) then
  return -1
end
redis.call('HDEL', entries, id)
redis.call('HDEL', progress, id)
redis.call('ZREM', delayed, id)
redis.call('ZREM', retrying, id)
return redis.call('ZREM', visible_at, id)
