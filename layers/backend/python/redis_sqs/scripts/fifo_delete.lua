#!lua flags=allow-oom
-- Delete messages whose receipt handle is the newest one and not expired.
--
-- KEYS     as fifo.lua says
-- ARGV     receipt handles, "id:receive count"
-- Returns  the other handles of messages that are still there
--
-- One script, because a group is unlocked with its last message. allow-oom, as in delete.lua.
local expired = {}
for _, handle in ipairs(ARGV) do
  local id = held(handle)
  if id then
    local group = redis.call('HGET', group_of, id)
    remove(id, group)
    reschedule(group)
  elseif redis.call('HEXISTS', entries, string.match(handle, '^(.+):%d+$') or '') == 1 then
    expired[#expired + 1] = handle
  end
end
return expired
