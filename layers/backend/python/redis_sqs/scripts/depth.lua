#!lua flags=no-writes,allow-oom
-- Count the messages by state and find the age of the oldest.
--
-- KEYS     1 visible_at zset   2 progress hash   3 delayed zset
-- ARGV     none
-- Returns  { visible, delayed, in flight (also those that wait after a release), age of the oldest, ms }
--
-- One script, so that the three counts add up. The age is that of the oldest among the hundred messages
-- that are visible soonest, so a long queue costs no more than a short one.
local visible_at, progress, delayed = unpack(KEYS)
local LOOKED_AT = 100

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local after_now = '(' .. now
local waiting = redis.call('ZCOUNT', delayed, after_now, '+inf')
local hidden = redis.call('ZCOUNT', visible_at, after_now, '+inf')

local oldest = now
local ids = redis.call('ZRANGE', visible_at, 0, LOOKED_AT - 1)
if #ids > 0 then
  for _, state in ipairs(redis.call('HMGET', progress, unpack(ids))) do
    oldest = math.min(oldest, tonumber(string.match(state, '^%d+|(%d+)')))
  end
end
return { redis.call('ZCARD', visible_at) - hidden, waiting, hidden - waiting, now - oldest }
