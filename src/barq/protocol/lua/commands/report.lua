-- report: progress and log lines of running attempts, in the order they were said.
-- args: again now events_keep log_keep name
-- each: type id token kind body
-- kind: progress, log
-- returns: ids that this holder no longer holds
-- flags: allow-oom
-- uses: clock lines events
local SAID_LIVES_MS = 600000
local SAID_KEEPS = 4 -- more than a worker has on their way at once

local ids, worker = {}, nil
for i, _, id, token in each() do
  ids[i] = id
  worker = worker or string.match(token, '^%d+ %S+ (%S+) ')
end
local run = call('HMGET', prefix .. 'run', unpack(ids))
local said = prefix .. 'said:' .. worker .. ':once'
local before = call('GET', said) or ''
local heard = string.find(before, name, 1, true)

local t = time_ms(now)
local stale, notes = {}, {}
for i, type, id, token, kind, body in each() do
  if run[i] ~= token then
    stale[#stale + 1] = id
  elseif not heard then
    if kind == 'progress' then
      notes[#notes + 1] = id
      notes[#notes + 1] = body
    else
      call('RPUSH', prefix .. 'log:' .. id, whole(t) .. '\t' .. body)
      call('LTRIM', prefix .. 'log:' .. id, -log_keep, -1)
    end
    tell(kind, type, {id}, {body})
  end
end
if #notes > 0 then call('HSET', prefix .. 'note', unpack(notes)) end
if moved > 0 then
  local names = name .. ' ' .. string.sub(before, 1, (SAID_KEEPS - 1) * (#name + 1))
  call('SET', said, names, 'PX', SAID_LIVES_MS)
end
-- step: publishing
return stale
