#!lua flags=allow-oom
-- Delete messages whose receipt handle is the newest one and not expired; pass over the others.
--
-- KEYS     as fifo.lua says
-- ARGV     receipt handles, "id:receive count"
-- Returns  number of messages deleted
--
-- One script, because a group is unlocked with its last message. allow-oom, as in delete.lua.
local count_gone = 0
for _, handle in ipairs(ARGV) do
  local id = held(handle)
  if id then
    local group = redis.call('HGET', group_of, id)
    remove(id, group)
    reschedule(group)
    count_gone = count_gone + 1
  end
end
return count_gone
