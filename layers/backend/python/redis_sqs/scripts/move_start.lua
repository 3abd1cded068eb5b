#!lua
-- Begin a move task, unless one of the same queue runs.
--
-- KEYS     1 the move task, a hash   2 visible_at zset of the dead-letter queue
-- ARGV     1 handle   2 how long a task may be silent, ms   then names and values that it keeps
-- Returns  1 begun, 0 another one runs
--
-- One script, because two may be started at once. A silent task's process has gone. A call that is
-- repeated after a lost answer begins the same task anew.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('HMGET', KEYS[1], 'status', 'beat_ms', 'handle')
if last[1] == 'RUNNING' and now - last[2] < tonumber(ARGV[2]) and last[3] ~= ARGV[1] then
  return 0
end
local ms = string.format('%.0f', now)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'handle', ARGV[1], 'status', 'RUNNING', 'moved', 0, 'started_ms', ms,
  'beat_ms', ms, 'to_move', redis.call('ZCOUNT', KEYS[2], '-inf', now), unpack(ARGV, 3))
return 1
