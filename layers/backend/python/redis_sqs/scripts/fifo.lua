-- What the scripts of FIFO queues share; it stands in front of each of them.
--
-- KEYS     1 visible_at  zset    id -> ms from which it may be received
--          2 entries     hash    id -> attributes as JSON, newline, body
--          3 progress    hash    id -> receive count|sent ms|first received ms|reason of last release
--          4 delayed     zset    id -> ms, those sent with a delay and not yet received
--          5 wake        list    at most one token, for one waiting receiver
--          6 groups      zset    group -> ms from which its first message may be received
--          7 group_of    hash    id -> group
--          8 sequence    string  number of the last message that was sent
--          retrying      zset    id -> ms, those given back with a reason and not yet received again
--          group:GROUP   zset    id -> sequence number, the messages of a group in their order
--          sent:ID       string  id and number of the message with that deduplication id, for five
--                                minutes
--
-- A group is locked while one of its messages is in flight: its time is then the latest of theirs.
local visible_at, entries, progress, delayed, wake, groups, group_of, sequence = unpack(KEYS, 1, 8)
local base = string.match(sequence, '^(.*)sequence$')
local retrying = base .. 'retrying'
local IN_FLIGHT_OF_A_GROUP = 10 -- a receive takes no more, and takes none while any is in flight

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function wake_one(list)
  if redis.call('LLEN', list) == 0 then
    redis.call('RPUSH', list, 1)
  end
end

local function remove(id, group)
  redis.call('ZREM', visible_at, id)
  redis.call('HDEL', entries, id)
  redis.call('HDEL', progress, id)
  redis.call('ZREM', delayed, id)
  redis.call('ZREM', retrying, id)
  redis.call('HDEL', group_of, id)
  redis.call('ZREM', base .. 'group:' .. group, id)
end

-- Say anew when the group may be received from, after one of its messages has changed.
local function reschedule(group)
  local first = redis.call('ZRANGE', base .. 'group:' .. group, 0, IN_FLIGHT_OF_A_GROUP - 1)
  if #first == 0 then
    redis.call('ZREM', groups, group)
    return
  end
  local at = math.max(now, tonumber(redis.call('ZSCORE', visible_at, first[1])))
  for _, id in ipairs(first) do
    if not redis.call('ZSCORE', delayed, id) then
      at = math.max(at, tonumber(redis.call('ZSCORE', visible_at, id)))
    end
  end
  redis.call('ZADD', groups, string.format('%.0f', at), group)
  wake_one(wake)
end

-- The id in a handle "id:receive count" that is the newest and whose time is not over, or nil.
local function held(handle)
  local id, count = string.match(handle, '^(.+):(%d+)$')
  local state = id and redis.call('HGET', progress, id)
  if state and string.match(state, '^%d+') == count then
    return tonumber(redis.call('ZSCORE', visible_at, id)) > now and id or nil
  end
end
