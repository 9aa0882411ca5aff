-- What one call moved becomes one entry of the queue's stream, and for jobs that somebody watches an entry of the
-- watcher's inbox. Entries of the stream are numbered without holes, so that a reader sees what it missed.
local happened = {}
local moved = 0

-- ids of one type, one event; details is nil or a list as long as ids
local function tell(event, type, ids, details)
  happened[#happened + 1] = {event, type, ids, details}
  moved = moved + #ids
end

-- ids that are in no line enter one: the only way into a state. scores_and_ids is what ZADD takes.
local function enter(type, from, to, ids, scores_and_ids, details)
  local event = EVENT[from .. '>' .. to]
  if not event then error('no such move: ' .. from .. '>' .. to) end
  if to ~= NONE then call('ZADD', line(type, to), unpack(scores_and_ids)) end
  tell(event, type, ids, details)
end

-- ids go from one line to another, or out of all
local function move(type, from, to, ids, scores_and_ids, details)
  call('ZREM', line(type, from), unpack(ids))
  enter(type, from, to, ids, scores_and_ids, details)
end
