#!lua
-- Move visible messages of a dead-letter queue to where they came from.
--
-- KEYS     1 to 7 the dead-letter queue as send.lua has it, then seven of each destination, then
--          the move task, a hash: handle, status, moved, beat_ms and what moves.py adds
-- ARGV     1 handle of the task   2 most messages, at most 100, or the ids of some as JSON, at most 100
--          then the ARN of each destination; an empty one takes every message
-- Returns  number of messages moved, of chosen ids those that are visible; -1 the task does not run any more, -2 the first message there
--          is tells no destination that it came from
--
-- One script, because a message must not be in both queues or in none. No allow-oom, as in send.lua.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if not is_running() then
  return -1
end
local ids = {}
if chosen then
  for _, id in ipairs(chosen) do
    local at = redis.call('ZSCORE', KEYS[1], id)
    if at and tonumber(at) <= now then
      ids[#ids + 1] = id
    end
  end
else
  ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, move_most)
end
local count = 0
for _, id in ipairs(ids) do
  local attributes, body = string.match(redis.call('HGET', KEYS[2], id), '^([^\n]*)\n(.*)$')
  local metadata = attributes == '' and {} or cjson.decode(attributes)
  local number = destination_of(metadata)
  if not number then
    return note_moved(count, now) > 0 and count or -2
  end
  local to, moved = 7 * number, new_id(id, now)
  redis.call('HSET', KEYS[to + 2], moved, moved_entry(metadata, id) .. '\n' .. body)
  redis.call('HSET', KEYS[to + 3], moved, string.format('0|%.0f|0|', now))
  redis.call('ZADD', KEYS[to + 1], now, moved)
  if redis.call('LLEN', KEYS[to + 5]) == 0 then
    redis.call('RPUSH', KEYS[to + 5], 1)
  end
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
  redis.call('ZREM', KEYS[7], id)
  count = count + 1
end
return note_moved(count, now)
