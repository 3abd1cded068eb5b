#!lua
-- Move visible messages of a dead-letter queue to where they came from, each group in its order.
--
-- KEYS     1 to 8 the dead-letter queue as fifo.lua has it, then eight of each destination, then the
--          move task as move.lua has it
-- ARGV     as move.lua
-- Returns  as move.lua
--
-- One script, as move.lua. Group and deduplication id stay; nothing is dropped as sent before.
if not is_running() then
  return -1
end
local count = 0
for _, group in ipairs(redis.call('ZRANGE', groups, '-inf', now, 'BYSCORE', 'LIMIT', 0, move_most)) do
  for _, id in ipairs(redis.call('ZRANGE', base .. 'group:' .. group, 0, move_most - count - 1)) do
    local attributes, body = string.match(redis.call('HGET', entries, id), '^([^\n]*)\n(.*)$')
    local metadata = cjson.decode(attributes)
    local number = destination_of(metadata)
    if not number then
      return note_moved(count, now) > 0 and count or -2
    end
    local to, moved = 8 * number, new_id(id, now)
    redis.call('HSET', KEYS[to + 2], moved, moved_entry(metadata, id) .. '\n' .. body)
    redis.call('HSET', KEYS[to + 3], moved, string.format('0|%.0f|0|', now))
    redis.call('HSET', KEYS[to + 7], moved, group)
    redis.call('ZADD', KEYS[to + 1], now, moved)
    local to_base = string.match(KEYS[to + 8], '^(.*)sequence$')
    redis.call('ZADD', to_base .. 'group:' .. group, redis.call('INCR', KEYS[to + 8]), moved)
    redis.call('ZADD', KEYS[to + 6], 'NX', now, group)
    wake_one(KEYS[to + 5])
    remove(id, group)
    count = count + 1
  end
  reschedule(group)
  if count == move_most then
    break
  end
end
return note_moved(count, now)
