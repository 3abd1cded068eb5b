#!lua flags=no-writes,allow-oom
-- Count the messages by state and find for how long the oldest that is due has been due.
--
-- KEYS     1 visible_at zset   2 delayed zset   3 retrying zset
-- ARGV     none
-- Returns  { visible, delayed, in flight, retrying, how long the oldest visible one has been visible, ms,
--            0 where none is }
--
-- One script, so that the four counts add up. A message that is delayed, in flight or tried again
-- later is not due, so it has no age.
local visible_at, delayed, retrying = unpack(KEYS)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local after_now = '(' .. now
local waiting = redis.call('ZCOUNT', delayed, after_now, '+inf')
local failed = redis.call('ZCOUNT', retrying, after_now, '+inf')
local hidden = redis.call('ZCOUNT', visible_at, after_now, '+inf')

local first = redis.call('ZRANGE', visible_at, 0, 0, 'WITHSCORES')
local due_ms = first[2] and math.max(0, now - tonumber(first[2])) or 0
return { redis.call('ZCARD', visible_at) - hidden, waiting, hidden - waiting - failed, failed, due_ms }
