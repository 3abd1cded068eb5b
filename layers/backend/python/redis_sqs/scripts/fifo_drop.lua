#!lua flags=allow-oom
-- Delete a message by its id, as a person does who has looked at it.
--
-- KEYS     as fifo.lua says
-- ARGV     as drop.lua
-- Returns  as drop.lua
--
-- One script, as drop.lua, and because a group goes on without its message. allow-oom, as in delete.lua.
local id, seen = ARGV[1], ARGV[2]
local at = redis.call('ZSCORE', visible_at, id)
if not at then
  return 0
end
local waits = redis.call('ZSCORE', delayed, id) or redis.call('ZSCORE', retrying, id)
local count = string.match(redis.call('HGET', progress, id) or '', '^%d+')
if count ~= seen or (tonumber(at) > now and not waits) then
  return -1
end
local group = redis.call('HGET', group_of, id)
remove(id, group)
reschedule(group)
return 1
