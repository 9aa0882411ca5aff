-- retry: jobs that have ended or are parked wait again, with all their attempts.
-- args: again now events_keep name by
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: deny-oom
-- uses: clock lines events terms look once audit acted anew
-- moves: completed>waiting failed>waiting cancelled>waiting blocked>waiting
local before = answered_before()
if before then return before end
local answer = {}
for i, id in each() do
  local state, type, priority = locate(id)
  if not state then
    answer[i] = 'missing'
  elseif EVENT[state .. '>' .. WAITING] ~= 'retry' then
    answer[i] = state
  else
    begin_anew(id, state)
    move(type, state, WAITING, {id}, {priority, id})
    wake(type)
    acted(id, state)
    answer[i] = ''
  end
end
write_down_acts(t, 'retry', '"waiting"')
-- step: remembering
-- step: publishing
return answered(answer)
