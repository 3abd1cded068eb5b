#!lua
-- Put a request of a tenant into the log that waits for its recorder.
--
-- KEYS     1 what waits: a list   2 how many found no room: a number
-- ARGV     1 the request, as JSON   2 requests that may wait
-- Returns  1
--
-- One script, because nobody waits for its answer to send a second.
if redis.call('LLEN', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('RPUSH', KEYS[1], ARGV[1])
else
  redis.call('INCR', KEYS[2])
end
return 1
