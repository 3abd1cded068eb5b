#!lua
-- Put messages on the queue, all of them or none.
--
-- KEYS     1 visible_at  zset  id -> ms from which it may be received
--          2 entries     hash  id -> attributes as JSON, newline, body
--          3 progress    hash  id -> receive count|sent ms|first received ms|reason of last release
--          4 delayed     zset  id -> ms, those sent with a delay and not yet received
--          5 wake        list  at most one token, for one waiting receiver
--          6 filling     string  while it is there, a batch of so many messages is waited for
--          7 retrying    zset  id -> ms, those given back with a reason and not yet received again
-- ARGV     1 most messages the queue may hold   2 delay, ms   then id, entry for each message
-- Returns  1 sent, 0 refused: the queue is full
--
-- One script, because the depth must not grow between its check and the write. An id that is on the
-- queue already is left alone, so a repeated call sends nothing twice. No allow-oom: at maxmemory
-- senders are refused, so that receivers can drain the queue.
local visible_at, entries, progress, delayed, wake, filling = unpack(KEYS)
local depth_max, delay_ms = tonumber(ARGV[1]), tonumber(ARGV[2])

if redis.call('ZCARD', visible_at) + (#ARGV - 2) / 2 > depth_max then
  return 0
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh = '0|' .. now .. '|0|'
local schedule, states = {}, {}
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('HSETNX', entries, id, ARGV[i + 1]) == 1 then
    schedule[#schedule + 1] = now + delay_ms
    schedule[#schedule + 1] = id
    states[#states + 1] = id
    states[#states + 1] = fresh
  end
end
if #schedule == 0 then
  return 1
end

redis.call('ZADD', visible_at, unpack(schedule))
redis.call('HSET', progress, unpack(states))
if delay_ms > 0 then
  redis.call('ZADD', delayed, unpack(schedule))
end
-- Also for a delayed message: whoever waits has to learn when it becomes visible.
local full = delay_ms == 0 and redis.call('GET', filling)
local ready = not full or redis.call('ZCOUNT', visible_at, '-inf', now) >= tonumber(full)
if ready and redis.call('LLEN', wake) == 0 then
  redis.call('RPUSH', wake, 1)
end
return 1
