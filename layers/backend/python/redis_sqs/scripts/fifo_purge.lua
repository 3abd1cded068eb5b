#!lua flags=allow-oom
-- Delete every message of a queue, also those in flight. What was sent is remembered all the same.
--
-- KEYS     the queue's as fifo.lua has them, then the mark that it was purged, a string
-- ARGV     as purge.lua
-- Returns  as purge.lua
--
-- One script, as purge.lua. The sequence goes on.
if not redis.call('SET', KEYS[#KEYS], 1, 'NX', 'PX', ARGV[1]) then
  return 0
end
for _, group in ipairs(redis.call('ZRANGE', groups, 0, -1)) do
  redis.call('DEL', base .. 'group:' .. group)
end
redis.call('DEL', visible_at, entries, progress, delayed, retrying, wake, groups, group_of)
return 1
