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
--          8 turns       hash  message group -> ms, its place in the queue; expires with the backlog
-- ARGV     1 most messages the queue may hold   2 delay, ms   then id, entry for each message
-- Returns  1 sent, 0 refused: the queue is full
--
-- One script, because the depth must not grow between its check and the write. An id that is on the
-- queue already is left alone, so a repeated call sends nothing twice. No allow-oom: at maxmemory
-- senders are refused, so that receivers can drain the queue.
--
-- Row 3.18, fair queues: where messages have waited for a while, one with a group takes its place as if
-- its group had sent at the pace of the queue all along: a group that sends little goes first, and one
-- that sends more than a message each TURN_MS joins the end, as all do without a group.
local visible_at, entries, progress, delayed, wake, filling, _, turns = unpack(KEYS)
local BACKLOG_MS = 1000 -- a younger one is over soon
local TURN_MS = 50
local GROUPS_MAX = 10000 -- a hash of a megabyte
local FORGOTTEN_MS = 60000
local depth_max, delay_ms = tonumber(ARGV[1]), tonumber(ARGV[2])

if redis.call('ZCARD', visible_at) + (#ARGV - 2) / 2 > depth_max then
  return 0
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh = '0|' .. now .. '|0|'
local head = tonumber(redis.call('ZRANGE', visible_at, 0, 0, 'WITHSCORES')[2])
local is_behind = delay_ms == 0 and head and head < now - BACKLOG_MS

-- When a message is due, which by its group may be some time ago.
local function due(entry)
  local group = is_behind and string.match(entry, '^[^\n]*"AWS%.MessageGroupId": "([^"]*)"')
  if not group then
    return now + delay_ms
  end
  local turn = math.max(head, tonumber(redis.call('HGET', turns, group) or 0))
  if turn < now then
    if redis.call('HLEN', turns) >= GROUPS_MAX then
      redis.call('DEL', turns)
    end
    redis.call('HSET', turns, group, string.format('%.0f', turn + TURN_MS))
    redis.call('PEXPIRE', turns, FORGOTTEN_MS)
  end
  return math.min(turn, now)
end

local schedule, states = {}, {}
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('HSETNX', entries, id, ARGV[i + 1]) == 1 then
    schedule[#schedule + 1] = due(ARGV[i + 1])
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
