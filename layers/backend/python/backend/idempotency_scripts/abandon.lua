#!lua flags=allow-oom
-- Give up a claim that is still one's own, so that the next try runs.
--
-- KEYS     1 slot  hash
-- ARGV     1 digest of the key   2 token of the claim
-- Returns  1 given up; 0 somebody took the claim or the slot over, or it is gone: nothing changed
--
-- One script, because the token is compared and the record deleted. allow-oom: it frees memory.
local key, token = unpack(redis.call('HMGET', KEYS[1], 'key', 'token'))
if key ~= ARGV[1] or token ~= ARGV[2] then
  return 0
end
return redis.call('DEL', KEYS[1])
