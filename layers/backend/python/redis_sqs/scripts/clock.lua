-- What the scripts that receive share; it stands in front of each of them.
--
-- The server's clock may be set back. What was sent then lies in the future and would stay hidden for
-- as long as that: it is moved back by so much, so that it keeps what was left of its delay.
local MOVED_MAX = 10000 -- 40 ms in which nobody else is served; the next receives move the rest
local SET_BACK_MS = 1000 -- less is no jump, and over soon

-- The ids of the messages that were moved; none are where the first was not sent in the future.
local function bring_back(now, visible_at, progress, delayed, retrying)
  local head = redis.call('ZRANGE', visible_at, 0, 0)[1]
  local sent_ms = head and string.match(redis.call('HGET', progress, head), '^%d+|(%d+)|')
  if not head or sent_ms - now <= SET_BACK_MS then
    return {}
  end
  local first = redis.call('ZRANGE', visible_at, 0, MOVED_MAX - 1, 'WITHSCORES')
  local moved = {}
  for i = 1, #first, 2 do
    local id = first[i]
    local state = redis.call('HGET', progress, id)
    local count, sent, rest = string.match(state, '^(%d+)|(%d+)|(.*)$')
    local back_ms = sent - now
    if back_ms > SET_BACK_MS then
      local at = first[i + 1] - back_ms
      redis.call('ZADD', visible_at, at, id)
      redis.call('ZADD', delayed, 'XX', at, id)
      redis.call('ZADD', retrying, 'XX', at, id)
      redis.call('HSET', progress, id, string.format('%s|%.0f|%s', count, now, rest))
      moved[#moved + 1] = id
    end
  end
  return moved
end
