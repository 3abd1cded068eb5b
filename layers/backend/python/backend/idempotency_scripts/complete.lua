#!lua flags=allow-oom
-- Keep the answer of a claim that is still one's own.
--
-- KEYS     1 slot  hash
-- ARGV     1 digest of the key   2 token of the claim   3 response as JSON, or empty: too large to keep
-- Returns  1 kept, or the slot is another key's by now; 0 somebody took the claim over: nothing changed
--
-- One script, because the token is compared and the record changed. The payload hash stays, so that a
-- replay can be checked, and the record's end stays as its claim set it. allow-oom: what was claimed
-- may be completed.
local slot = KEYS[1]
local key, token = unpack(redis.call('HMGET', slot, 'key', 'token'))
if key ~= ARGV[1] then
  return 1
elseif token ~= ARGV[2] then
  return 0
end
redis.call('HSET', slot, 'status', 'COMPLETED', 'response', ARGV[3])
redis.call('HDEL', slot, 'until', 'token')
return 1
