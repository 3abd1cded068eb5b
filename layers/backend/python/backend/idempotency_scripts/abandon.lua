#!lua flags=allow-oom
-- Give up a claim that is still one's own, so that the next try runs.
--
-- KEYS     1 record  hash
-- ARGV     1 token of the claim
-- Returns  1 given up; 0 somebody took the claim over, or it is gone: nothing changed
--
-- One script, because the token is compared and the record deleted. allow-oom: it frees memory.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
