#!lua flags=allow-oom
-- Take visible messages and hide them; a message over its receive limit goes to the dead-letter queue.
--
-- KEYS     1 visible_at zset   2 entries hash   3 progress hash   4 delayed zset   5 wake list
--          6 filling string   7 retrying zset
--          8 to 14 the same of the dead-letter queue; absent where there is none
-- ARGV     1 most messages, 1 to 100  2 visibility timeout, ms   3 receive limit
--          4 retention, ms            5 this queue's ARN
--          6 how long a batch may fill after the one before it, ms
--          7 most messages in flight
-- Returns  { ms until the next message is visible, -1 if there is none, -2 if too many are in flight,
--            then for each message taken: id, entry, receive count, sent ms, first received ms }
--
-- One script, because two receivers must not take the same message and a message must not be in both
-- queues or in none. allow-oom: a full server is emptied by receivers, so they must not be refused.
local visible_at, entries, progress, delayed, wake, filling, retrying = unpack(KEYS, 1, 7)
local most, visibility_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retention_ms, arn, fill_ms = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local in_flight_max = tonumber(ARGV[7])
-- Each round looks at ten messages. Ten rounds may find them dead (expired or over the limit) before
-- the caller has to ask again.
local ROUND = 10
local ROUNDS_MAX = 10 + most / ROUND
local BYTES_MAX = 6000000 -- as many as an event of Lambda holds

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function remove(id)
  redis.call('ZREM', visible_at, id)
  redis.call('HDEL', entries, id)
  redis.call('HDEL', progress, id)
  redis.call('ZREM', delayed, id)
  redis.call('ZREM', retrying, id)
end

local function wake_one(list)
  if redis.call('LLEN', list) == 0 then
    redis.call('RPUSH', list, 1)
  end
end

-- Id, count and times stay, as on SQS; what is known of the failures goes with SQS's attributes.
local function bury(id, entry, state, count, reason)
  local attributes, body = string.match(entry, '^([^\n]*)\n(.*)$')
  local metadata = attributes == '' and {} or cjson.decode(attributes)
  metadata['AWS.DeadLetterQueueSourceArn'] = arn
  local times = tonumber(count) == 1 and ' time' or ' times'
  metadata['AWS.DeadLetterReason'] = 'received ' .. count .. times .. (reason == '' and '' or ', last: ' .. reason)
  redis.call('HSET', KEYS[9], id, cjson.encode(metadata) .. '\n' .. body)
  redis.call('HSET', KEYS[10], id, state)
  redis.call('ZADD', KEYS[8], now, id)
  wake_one(KEYS[12])
  remove(id)
end

-- Counted only where so many could be, for it costs more than to ask how many there are.
if redis.call('ZCARD', visible_at) >= in_flight_max then
  local hidden = redis.call('ZCOUNT', visible_at, '(' .. now, '+inf')
  local in_flight = hidden - redis.call('ZCOUNT', delayed, '(' .. now, '+inf')
  if in_flight >= in_flight_max then
    return { -2 }
  end
  most = math.min(most, in_flight_max - in_flight)
end

if fill_ms > 0 then
  local fill_left = redis.call('PTTL', filling)
  if fill_left > 0 and fill_left <= fill_ms then -- longer is what a clock set back has made of it
    local visible = redis.call('ZCOUNT', visible_at, '-inf', now)
    if visible > 0 and visible < most then
      return { fill_left }
    end
  end
end

local answer = { -1 }
local message_count, bytes = 0, 0
for _ = 1, ROUNDS_MAX do
  local next_most = math.min(ROUND, most - message_count)
  local ids = redis.call('ZRANGE', visible_at, '-inf', now, 'BYSCORE', 'LIMIT', 0, next_most)
  if #ids == 0 and message_count == 0 and #bring_back(now, visible_at, progress, delayed, retrying) > 0 then
    ids = redis.call('ZRANGE', visible_at, '-inf', now, 'BYSCORE', 'LIMIT', 0, next_most)
  end
  if #ids == 0 then
    break
  end
  local bodies = redis.call('HMGET', entries, unpack(ids))
  local states = redis.call('HMGET', progress, unpack(ids))
  local hide, update = {}, {}
  for i, id in ipairs(ids) do
    local count, sent, first, reason = string.match(states[i], '^(%d+)|(%d+)|(%d+)|(.*)$')
    count = tonumber(count)
    if now - sent > retention_ms then
      remove(id)
    elseif #KEYS > 7 and count >= limit then
      bury(id, bodies[i], states[i], count, reason)
    else
      count = count + 1
      first = first == '0' and string.format('%.0f', now) or first
      hide[#hide + 1] = now + visibility_ms
      hide[#hide + 1] = id
      update[#update + 1] = id
      update[#update + 1] = count .. '|' .. sent .. '|' .. first .. '|' .. reason
      message_count, bytes = message_count + 1, bytes + #bodies[i]
      local at = #answer
      answer[at + 1], answer[at + 2], answer[at + 3] = id, bodies[i], count
      answer[at + 4], answer[at + 5] = sent, first
    end
  end
  if #hide > 0 then
    redis.call('ZADD', visible_at, unpack(hide))
    redis.call('HSET', progress, unpack(update))
    redis.call('ZREM', delayed, unpack(ids))
    redis.call('ZREM', retrying, unpack(ids))
  end
  -- What is not hidden would be found again in the next round.
  if message_count == most or bytes >= BYTES_MAX or (visibility_ms == 0 and message_count > 0) then
    break
  end
end

local head = redis.call('ZRANGE', visible_at, 0, 0, 'WITHSCORES')
if head[2] then
  answer[1] = math.max(0, head[2] - now)
end
local left = answer[1] == 0
if left and fill_ms > 0 then
  left = redis.call('ZCOUNT', visible_at, '-inf', now) >= most
end
-- One message wakes one receiver. What is left for others is passed on; a token that
-- announces nothing any more would only cost somebody an empty look.
if left then
  wake_one(wake)
else
  redis.call('DEL', wake)
  if fill_ms > 0 and message_count > 0 then
    redis.call('SET', filling, most, 'PX', fill_ms)
  end
end
return answer
