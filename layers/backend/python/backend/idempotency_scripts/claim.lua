#!lua
-- Claim an idempotency key, or learn what became of it.
--
-- KEYS     1 slot  hash  key, status, token, payload, until (ms; while in progress), response
-- ARGV     1 digest of the key   2 token of this claim   3 payload hash   4 longest run, ms
--          5 life of the record, ms
-- Returns  {} claimed; or { status, payload hash, response, ms left of the run, ms left of the record }
--
-- One script, because of two callers with the same key one must win. A claim whose run is over without
-- an answer is taken over: its process was killed at its deadline. The record of another key in the same
-- slot is evicted, so that the cache is bounded by its slots. No allow-oom: a full server is the caller's
-- to decide on.
local slot = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local key, status, payload, response, over = unpack(
  redis.call('HMGET', slot, 'key', 'status', 'payload', 'response', 'until'))
if key == ARGV[1] and (status == 'COMPLETED' or tonumber(over) > now) then
  local left = over and over - now or 0
  return { status, payload, response or '', left, redis.call('PTTL', slot) }
end

if key then
  redis.call('DEL', slot)
end
redis.call('HSET', slot, 'key', ARGV[1], 'status', 'INPROGRESS', 'token', ARGV[2], 'payload', ARGV[3],
  'until', now + tonumber(ARGV[4]))
redis.call('PEXPIRE', slot, ARGV[5])
return {}
