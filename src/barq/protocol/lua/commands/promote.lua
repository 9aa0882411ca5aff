-- promote: delayed jobs wait from now on instead of at their time.
-- args: again now events_keep name by
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: allow-oom
-- uses: clock lines events look once audit acted
-- moves: delayed>waiting
local before = answered_before()
if before then return before end
local answer = {}
for i, id in each() do
  local state, type, priority = locate(id)
  if not state then
    answer[i] = 'missing'
  elseif state ~= DELAYED then
    answer[i] = state
  else
    move(type, state, WAITING, {id}, {priority, id})
    wake(type)
    acted(id, state)
    answer[i] = ''
  end
end
write_down_acts(t, 'promote', '"waiting"')
-- step: publishing
return answered(answer)
