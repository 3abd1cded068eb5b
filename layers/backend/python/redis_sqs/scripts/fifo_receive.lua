#!lua flags=allow-oom
-- Take the first messages of groups of which none is in flight, each group's in its order.
--
-- KEYS     1 to 8 as fifo.lua says   9 to 16 the same of the dead-letter queue, where there is one
-- ARGV     1 most messages, 1 to 10   2 visibility timeout, ms   3 receive limit
--          4 retention, ms            5 this queue's ARN
--          6 without effect           7 most messages in flight
-- Returns  { ms until the next group may be received from, -1 if there is none, then for each message
--            taken: id, entry, receive count, sent ms, first received ms, sequence number }
--
-- One script, because the group is found free and locked. allow-oom, as in receive.lua.
local most, visibility_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retention_ms, arn, in_flight_max = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[7])
local FULL_MS = 1000 -- with too many in flight a receiver looks again after it: a delete wakes nobody

-- Id and count stay, age and number are new, as on SQS.
local function bury(id, group, state, reason)
  local attributes, body = string.match(redis.call('HGET', entries, id), '^([^\n]*)\n(.*)$')
  local metadata = cjson.decode(attributes)
  local count, first = string.match(state, '^(%d+)|%d+|(%d+)|')
  metadata['AWS.DeadLetterQueueSourceArn'] = arn
  local times = tonumber(count) == 1 and ' time' or ' times'
  metadata['AWS.DeadLetterReason'] = 'received ' .. count .. times .. (reason == '' and '' or ', last: ' .. reason)
  metadata['AWS.MessageDeduplicationId'] = id
  redis.call('HSET', KEYS[10], id, cjson.encode(metadata) .. '\n' .. body)
  redis.call('HSET', KEYS[11], id, string.format('%s|%.0f|%s|', count, now, first))
  redis.call('HSET', KEYS[15], id, group)
  redis.call('ZADD', KEYS[9], now, id)
  local dead_base = string.match(KEYS[16], '^(.*)sequence$')
  redis.call('ZADD', dead_base .. 'group:' .. group, redis.call('INCR', KEYS[16]), id)
  redis.call('ZADD', KEYS[14], 'NX', now, group)
  wake_one(KEYS[13])
  remove(id, group)
end

local answer, message_count = { -1 }, 0

-- Take from the front of a group up to the first message that is delayed.
local function take_from(group)
  local first = redis.call('ZRANGE', base .. 'group:' .. group, 0, most - message_count - 1, 'WITHSCORES')
  local locked = false
  for i = 1, #first, 2 do
    local id, number = first[i], first[i + 1]
    if tonumber(redis.call('ZSCORE', visible_at, id)) > now then
      break
    end
    local state = redis.call('HGET', progress, id)
    local count, sent, first_received, reason = string.match(state, '^(%d+)|(%d+)|(%d+)|(.*)$')
    count = tonumber(count)
    if now - sent > retention_ms then
      remove(id, group)
    elseif #KEYS > 8 and count >= limit then
      bury(id, group, state, reason)
    else
      count = count + 1
      first_received = first_received == '0' and string.format('%.0f', now) or first_received
      redis.call('ZADD', visible_at, now + visibility_ms, id)
      redis.call('HSET', progress, id, count .. '|' .. sent .. '|' .. first_received .. '|' .. reason)
      redis.call('ZREM', delayed, id)
      redis.call('ZREM', retrying, id)
      locked = true
      message_count = message_count + 1
      local at = #answer
      answer[at + 1], answer[at + 2], answer[at + 3] = id, redis.call('HGET', entries, id), count
      answer[at + 4], answer[at + 5], answer[at + 6] = sent, first_received, number
    end
  end
  if locked then
    redis.call('ZADD', groups, now + visibility_ms, group)
  else
    reschedule(group)
  end
end

local hidden = redis.call('ZCOUNT', visible_at, '(' .. now, '+inf')
local waiting = redis.call('ZCOUNT', delayed, '(' .. now, '+inf')
most = math.min(most, in_flight_max - (hidden - waiting))
if most <= 0 then
  return { FULL_MS }
end
local due = redis.call('ZRANGE', groups, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
if #due == 0 then
  for _, id in ipairs(bring_back(now, visible_at, progress, delayed, retrying)) do
    reschedule(redis.call('HGET', group_of, id))
  end
  due = redis.call('ZRANGE', groups, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
end
for _, group in ipairs(due) do
  if message_count < most then
    take_from(group)
  end
end

local head = redis.call('ZRANGE', groups, 0, 0, 'WITHSCORES')
if head[2] then
  answer[1] = math.max(0, head[2] - now)
end
if answer[1] == 0 then
  wake_one(wake)
else
  redis.call('DEL', wake)
end
return answer
