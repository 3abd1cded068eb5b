#!lua
-- Put messages at the end of their groups, all of them or none.
--
-- KEYS     as fifo.lua says
-- ARGV     1 most messages the queue may hold   2 delay, ms   3 for how long a deduplication id is
--          remembered, ms   then id, entry, group, deduplication id for each message
-- Returns  id and number of each message by turns, an earlier one's where that had the same
--          deduplication id; nothing: the queue is full
--
-- One script, because a deduplication id is looked up and remembered, and numbers are given in the
-- order of the messages. No allow-oom, as in send.lua.
local depth_max, delay_ms, remember_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

if redis.call('ZCARD', visible_at) + (#ARGV - 3) / 4 > depth_max then
  return {}
end

local sent = {}
for i = 4, #ARGV, 4 do
  local id, entry, group, deduplication_id = unpack(ARGV, i, i + 3)
  local key_of_id = base .. 'sent:' .. deduplication_id
  local earlier_id, number = string.match(redis.call('GET', key_of_id) or '', '^(%S+) (%d+)$')
  if not earlier_id then
    number = redis.call('INCR', sequence)
    redis.call('SET', key_of_id, id .. ' ' .. number, 'PX', remember_ms)
    redis.call('HSET', entries, id, entry)
    redis.call('HSET', progress, id, string.format('0|%.0f|0|', now))
    redis.call('HSET', group_of, id, group)
    redis.call('ZADD', visible_at, now + delay_ms, id)
    redis.call('ZADD', base .. 'group:' .. group, number, id)
    redis.call('ZADD', groups, 'NX', now + delay_ms, group)
    if delay_ms > 0 then
      redis.call('ZADD', delayed, now + delay_ms, id)
    end
  end
  sent[#sent + 1] = earlier_id or id
  sent[#sent + 1] = tostring(number)
end
wake_one(wake)
return sent
