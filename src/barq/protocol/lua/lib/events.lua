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

local INBOX_KEEPS = 10000
local INBOX_LIVES_MS = 300000

local function tell_watchers(now)
  local ENDING = {complete = true, failed = true, cancel = true, remove = true}
  local all = {}
  for _, entry in ipairs(happened) do
    for _, id in ipairs(entry[3]) do all[#all + 1] = id end
  end
  local watchers = call('HMGET', prefix .. 'watch', unpack(all))
  local letters, done, at = {}, {}, 0
  for _, entry in ipairs(happened) do
    local event, type, ids, details = entry[1], entry[2], entry[3], entry[4]
    for i, id in ipairs(ids) do
      at = at + 1
      if watchers[at] then
        for until_ms, inbox in string.gmatch(watchers[at], '(%d+):(%S+)') do
          if tonumber(until_ms) > now then
            local letter = bucket(letters, inbox)
            letter[#letter + 1] = event
            letter[#letter + 1] = type .. '\t' .. id .. '\t' .. (details and details[i] or '')
          end
        end
        if ENDING[event] then done[#done + 1] = id end
      end
    end
  end
  for inbox, letter in pairs(letters) do
    local key = prefix .. 'inbox:' .. inbox
    call('XADD', key, 'MAXLEN', '~', INBOX_KEEPS, '*', 't', whole(now), unpack(letter))
    call('PEXPIRE', key, INBOX_LIVES_MS)
  end
  if #done > 0 then call('HDEL', prefix .. 'watch', unpack(done)) end
end

-- of a failure the stream has the first line (type and message), of a result nothing; watchers get all of it
local function brief(event, text)
  return (event == 'failed' or event == 'failed attempt') and string.match(text, '^[^\n]*') or text
end

local function publish(now, keep)
  if moved == 0 then return end
  local fields = {'t', whole(now)}
  for _, entry in ipairs(happened) do
    local event, type, ids, details = entry[1], entry[2], entry[3], entry[4]
    if details and event ~= 'complete' then
      for i, id in ipairs(ids) do
        fields[#fields + 1] = event
        fields[#fields + 1] = type .. '\t' .. id .. '\t' .. brief(event, details[i])
      end
    else
      fields[#fields + 1] = event
      fields[#fields + 1] = type .. '\t' .. table.concat(ids, ' ') .. '\t'
    end
  end
  local number = whole(call('INCR', prefix .. 'eventseq'))
  call('XADD', prefix .. 'events', 'MAXLEN', '~', keep, number .. '-0', unpack(fields))
  if call('EXISTS', prefix .. 'watch') == 1 then tell_watchers(now) end
end
