#!lua
-- Take a request from a tenant's bucket, after those that one process served without asking.
--
-- KEYS     1 the bucket: a string, when it is full again, us since the epoch
-- ARGV     1 requests a second, which is also what the bucket holds   2 requests served since
-- Returns  requests that are left after this one; below 0 it is refused, and one is there in so many us
--
-- One script, because two processes must not take the same request. By the generic cell rate
-- algorithm one number says how full a bucket is. What was served beyond it is owed for a second.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step = 1000000 / ARGV[1]

local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + ARGV[2] * step
full_at = math.min(full_at, now + 2000000)
local left = now + 1000000 - full_at
local answer = math.floor(left - step)
if left >= step then
  full_at = full_at + step
  answer = math.floor((left - step) / step + 0.001)
end
if full_at > now then
  redis.call('SET', KEYS[1], string.format('%.1f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
return answer
