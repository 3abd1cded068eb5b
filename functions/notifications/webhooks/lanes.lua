#!lua
-- Let a batch into a lane, or give what it holds for it a later time each where the lane is full.
--
-- KEYS     1 the lane: a sorted set of the batches in it, by when each has left at the latest, ms
--          2 a string: when the last one that was held is due, ms; in the same slot of a cluster
-- ARGV     1 the batch   2 how many batches fit   3 the longest stay, ms
--          4 how many to hold where it is full   5 ms between two of them   6 their longest wait, ms
-- Returns  0 where the batch is in, else the ms that the first one held has to wait
--
-- One script, because two workers must not take the same place or give the same time twice.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local batch, places, stay, count, step, longest = unpack(ARGV)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], batch) or redis.call('ZCARD', KEYS[1]) < tonumber(places) then
  redis.call('ZADD', KEYS[1], now + stay, batch)
  redis.call('PEXPIRE', KEYS[1], stay)
  return 0
end
local first = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + step
first = math.min(first, now + longest)
if tonumber(count) > 0 then
  local last = first + (count - 1) * step
  redis.call('SET', KEYS[2], string.format('%.0f', last), 'PX', math.ceil(last - now))
end
return math.ceil(first - now)
