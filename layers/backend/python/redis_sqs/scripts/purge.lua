#!lua flags=allow-oom
-- Delete every message of a queue, also those in flight.
--
-- KEYS     the queue's as send.lua has them, then the mark that it was purged, a string
-- ARGV     1 how long it may not be purged again, ms
-- Returns  1 done, 0 it was purged so lately: nothing changed
--
-- One script, because what is sent meanwhile must be kept whole. allow-oom: it ends a shortage.
if not redis.call('SET', KEYS[#KEYS], 1, 'NX', 'PX', ARGV[1]) then
  return 0
end
redis.call('DEL', unpack(KEYS, 1, #KEYS - 1))
return 1
