#!lua flags=allow-oom
-- Keep the answer of a claim that is still one's own.
--
-- KEYS     1 record  hash
-- ARGV     1 token of the claim   2 response as JSON
-- Returns  1 kept; 0 somebody took the claim over, or it is gone: nothing changed
--
-- One script, because the token is compared and the record changed. The payload hash stays, so that a
-- replay can be checked, and the record's end stays as its claim set it. allow-oom: what was claimed
-- may be completed.
local record = KEYS[1]
if redis.call('HGET', record, 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', record, 'status', 'COMPLETED', 'response', ARGV[2])
redis.call('HDEL', record, 'until', 'token')
return 1
