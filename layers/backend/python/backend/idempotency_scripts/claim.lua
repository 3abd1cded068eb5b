#!lua
-- Claim an idempotency key, or learn what became of it.
--
-- KEYS     1 record  hash  status, token, payload, until (ms; while in progress), response
-- ARGV     1 token of this claim   2 payload hash   3 longest run, ms   4 life of the record, ms
-- Returns  {} claimed; or { status, payload hash, response, ms left of the run, ms left of the record }
--
-- One script, because of two callers with the same key one must win. A claim whose run is over without
-- an answer is taken over: its process was killed at its deadline. No allow-oom: a full server is the
-- caller's to decide on.
local record = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local status, payload, response, over = unpack(
  redis.call('HMGET', record, 'status', 'payload', 'response', 'until'))
if status == 'COMPLETED' or (status and tonumber(over) > now) then
  local left = over and over - now or 0
  return { status, payload, response or '', left, redis.call('PTTL', record) }
end

if status then
  redis.call('DEL', record)
end
redis.call('HSET', record, 'status', 'INPROGRESS', 'token', ARGV[1], 'payload', ARGV[2],
  'until', now + tonumber(ARGV[3]))
redis.call('PEXPIRE', record, ARGV[4])
return {}
