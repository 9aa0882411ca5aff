-- What one call moved becomes one entry of the queue's stream, and for jobs that somebody watches an entry of the
-- watcher's inbox. Entries of the stream are numbered without holes, so that a reader sees what it missed.
local unwatched = false -- nobody can be waiting for these jobs
local happened, told, told_count = {}, {'t', time, ROOM}, 2

-- ids of one type, one event; details is nil or a list as long as ids, of which a stream's entry has the first lines of
-- errors and nothing of results
local function tell(event, type, ids, details)
  happened[#happened + 1] = {event, type, ids, details}
  if not details or event == 'complete' then
    told[told_count + 1], told[told_count + 2] = event, type .. '\t' .. table.concat(ids, ' ') .. '\t'
    told_count = told_count + 2
    return
  end
  local brief = (event == 'failed' or event == 'failed attempt' or event == 'park') and '^[^\n]*'
  for i, id in ipairs(ids) do
    local detail = brief and string.match(details[i], brief) or details[i]
    told[told_count + 1], told[told_count + 2] = event, type .. '\t' .. id .. '\t' .. detail
    told_count = told_count + 2
  end
end

-- ids that are in no line enter one: the only way into a state. scores_and_ids is what ZADD takes. Who calls this and
-- move leaves out the event: it is that of the move.
local function enter(event, type, from, to, ids, scores_and_ids, details)
  if not event then error('no such move: ' .. from .. '>' .. to) end
  if to ~= NONE then call('ZADD', line(type, to), unpack(scores_and_ids)) end
  tell(event, type, ids, details)
end

-- ids go from one line to another, or out of all
local function move(event, type, from, to, ids, scores_and_ids, details)
  call('ZREM', line(type, from), unpack(ids))
  enter(event, type, from, to, ids, scores_and_ids, details)
end
