#!lua flags=allow-oom
-- End a move task that runs.
--
-- KEYS     1 the move task, a hash
-- ARGV     1 its handle, or empty for whichever runs   2 status it ends with   3 why it failed, or empty
-- Returns  1 ended, 0 it does not run
--
-- One script, because another task may have begun meanwhile. allow-oom: an end must not be refused.
local task = redis.call('HMGET', KEYS[1], 'handle', 'status')
if task[2] ~= 'RUNNING' or (ARGV[1] ~= '' and ARGV[1] ~= task[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'failure', ARGV[3])
return 1
