-- report: progress and log lines of running attempts, in the order they were said.
-- args: again now events_keep log_keep
-- each: type id token kind body
-- kind: progress, log
-- returns: ids that this holder no longer holds
-- flags: allow-oom
-- uses: clock lines events
local t = time_ms(now)
local ids = {}
for i, _, id in each() do ids[i] = id end
local run = call('HMGET', prefix .. 'run', unpack(ids))
local stale, notes = {}, {}
for i, type, id, token, kind, body in each() do
  if run[i] ~= token then
    stale[#stale + 1] = id
  else
    if kind == 'progress' then
      notes[#notes + 1] = id
      notes[#notes + 1] = body
    else
      local text = whole(t) .. '\t' .. body
      -- sent again after a lost answer, the line may be there already
      if again ~= '1' or call('LINDEX', prefix .. 'log:' .. id, -1) ~= text then
        call('RPUSH', prefix .. 'log:' .. id, text)
        call('LTRIM', prefix .. 'log:' .. id, -log_keep, -1)
      end
    end
    tell(kind, type, {id}, {body})
  end
end
if #notes > 0 then call('HSET', prefix .. 'note', unpack(notes)) end
publish(t, events_keep)
return stale
