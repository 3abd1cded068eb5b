-- What the scripts that move dead letters back share; KEYS and ARGV are as move.lua says.
local move_task = KEYS[#KEYS]
local task_handle, move_most = ARGV[1], tonumber(ARGV[2])
local chosen = not move_most and cjson.decode(ARGV[2])

-- The number of the destination that takes an entry, from 1; nil where none is its source.
local function destination_of(metadata)
  for i = 3, #ARGV do
    if ARGV[i] == '' or ARGV[i] == metadata['AWS.DeadLetterQueueSourceArn'] then
      return i - 2
    end
  end
end

-- The attributes without what the dead-letter queue added, and with the id that the message had there.
local function moved_entry(metadata, id)
  metadata['AWS.DeadLetterQueueSourceArn'] = nil
  metadata['AWS.DeadLetterReason'] = nil
  metadata['AWS.MovedFrom'] = id
  return cjson.encode(metadata)
end

-- A moved message has another id, as on SQS. Nobody outside is asked for it, so that this script may
-- run twice.
local function new_id(id, ms)
  local digits = redis.sha1hex(string.format('%s %.0f', id, ms))
  local parts = { string.sub(digits, 1, 8), string.sub(digits, 9, 12), string.sub(digits, 13, 16) }
  return table.concat(parts, '-') .. '-' .. string.sub(digits, 17, 20) .. '-' .. string.sub(digits, 21, 32)
end

local function is_running()
  local task = redis.call('HMGET', move_task, 'handle', 'status')
  return task[1] == task_handle and task[2] == 'RUNNING'
end

local function note_moved(count, ms)
  redis.call('HINCRBY', move_task, 'moved', count)
  redis.call('HSET', move_task, 'beat_ms', string.format('%.0f', ms))
  return count
end
