-- cancel: jobs that have not ended never will run (again); a running one is told at its worker's next heartbeat.
-- args: again now events_keep name by
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: allow-oom
-- uses: clock lines events terms look once audit acted
-- moves: waiting>cancelled delayed>cancelled active>cancelled blocked>cancelled
local before = answered_before()
if before then return before end
local answer = {}
for i, id in each() do
  local state, type = locate(id)
  if not state then
    answer[i] = 'missing'
  elseif not EVENT[state .. '>' .. CANCELLED] then
    answer[i] = state
  else
    local run = call('HGET', prefix .. 'run', id)
    call('HDEL', prefix .. 'run', id)
    call('HSET', prefix .. 'end', id, time .. ' ' .. (run or '0 0 0') .. '\n')
    forget_error(id)
    move(type, state, CANCELLED, {id}, {time, id})
    acted(id, state)
    answer[i] = ''
  end
end
write_down_acts(t, 'cancel', '"cancelled"')
-- step: publishing
return answered(answer)
