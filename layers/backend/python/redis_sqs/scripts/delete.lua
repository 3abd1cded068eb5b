#!lua flags=allow-oom
-- Delete the messages whose receipt handle is the newest one; pass over the others.
--
-- KEYS     1 visible_at zset   2 entries hash   3 progress hash   4 retrying zset
-- ARGV     receipt handles, "id:receive count"
-- Returns  number of messages deleted
--
-- One script, because the receive count is compared and the message removed: between the two somebody
-- else may receive it. allow-oom: deleting is what ends a shortage of memory.
local visible_at, entries, progress, retrying = unpack(KEYS)

local gone = {}
for _, handle in ipairs(ARGV) do
  local id, count = string.match(handle, '^(.+):(%d+)$')
  local state = id and redis.call('HGET', progress, id)
  if state and string.match(state, '^%d+') == count then
    gone[#gone + 1] = id
  end
end
if #gone == 0 then
  return 0
end
redis.call('HDEL', entries, unpack(gone))
redis.call('HDEL', progress, unpack(gone))
redis.call('ZREM', retrying, unpack(gone))
return redis.call('ZREM', visible_at, unpack(gone))
