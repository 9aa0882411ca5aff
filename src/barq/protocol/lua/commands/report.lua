-- report: progress and log lines of running attempts, in the order they were said.
-- args: again now events_keep log_keep log_bytes name
-- each: type id token kind body
-- kind: progress, log
-- log_bytes: '' or what one job's log may take
-- returns: ids that this holder no longer holds
-- flags: allow-oom
-- uses: clock lines events
local SAID_LIVES_MS = 600000
local SAID_KEEPS = 4 -- more than a worker has on their way at once

-- the oldest lines go; the last one stays in any case
local function shorten(key, most)
  for _ = 1, 8 do
    local lines, used = call('LLEN', key), call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
    if used <= most or lines == 1 then return end
    call('LTRIM', key, -math.max(1, math.floor(lines * most / used)), -1)
  end
end

local ids, worker = {}, nil
for i, _, id, token in each() do
  ids[i] = id
  worker = worker or string.match(token, '^%d+ %S+ (%S+) ')
end
local run = call('HMGET', prefix .. 'run', unpack(ids))
local said = prefix .. 'said:' .. worker .. ':once'
local before = call('GET', said) or ''
local heard = string.find(before, name, 1, true)

local stale, notes = {}, {}
for i, type, id, token, kind, body in each() do
  if run[i] ~= token then
    stale[#stale + 1] = id
  elseif not heard then
    if kind == 'progress' then
      notes[#notes + 1] = id
      notes[#notes + 1] = body
    else
      call('RPUSH', prefix .. 'log:' .. id, time .. '\t' .. body)
      call('LTRIM', prefix .. 'log:' .. id, -log_keep, -1)
      if log_bytes ~= '' then shorten(prefix .. 'log:' .. id, tonumber(log_bytes)) end
    end
    tell(kind, type, {id}, {body})
  end
end
if #notes > 0 then call('HSET', prefix .. 'note', unpack(notes)) end
if #happened > 0 then
  local names = name .. ' ' .. string.sub(before, 1, (SAID_KEEPS - 1) * (#name + 1))
  call('SET', said, names, 'PX', SAID_LIVES_MS)
end
-- step: publishing
return stale
