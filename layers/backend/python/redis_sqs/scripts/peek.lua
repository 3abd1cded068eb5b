#!lua flags=no-writes,allow-oom
-- Show messages as they are, without receiving them.
--
-- KEYS     1 visible_at zset   2 entries hash   3 progress hash   4 delayed zset
--          5 retrying zset
-- ARGV     1 messages to pass over   2 most messages, 1 to 1,000   3 id of the only one to show, or
--          nothing
-- Returns  { now, ms, then for each message in the order in which they become visible: id, ms from
--            which it may be received, entry, progress, why it waits: 'delayed', 'retrying' or '' }
--
-- One script, so that a message is shown whole: another client may delete it between two commands.
local visible_at, entries, progress, delayed, retrying = unpack(KEYS)
local start, most = tonumber(ARGV[1]), tonumber(ARGV[2])

local time = redis.call('TIME')
local shown = { time[1] * 1000 + math.floor(time[2] / 1000) }
local schedule
if ARGV[3] then
  schedule = { ARGV[3], redis.call('ZSCORE', visible_at, ARGV[3]) or nil }
else
  schedule = redis.call('ZRANGE', visible_at, start, start + most - 1, 'WITHSCORES')
end
for i = 1, #schedule - 1, 2 do
  local id = schedule[i]
  shown[#shown + 1] = id
  shown[#shown + 1] = schedule[i + 1]
  shown[#shown + 1] = redis.call('HGET', entries, id) or '\n'
  shown[#shown + 1] = redis.call('HGET', progress, id) or '0|0|0|'
  local waits = redis.call('ZSCORE', delayed, id) and 'delayed'
  shown[#shown + 1] = waits or redis.call('ZSCORE', retrying, id) and 'retrying' or ''
end
return shown
