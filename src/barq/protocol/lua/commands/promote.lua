-- promote: delayed jobs wait from now on instead of at their time.
-- args: again now events_keep name
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: allow-oom
-- uses: clock lines events look once
-- moves: delayed>waiting
local before = answered_before()
if before then return before end
local t = time_ms(now)
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
    answer[i] = ''
  end
end
-- step: publishing
return answered(answer)
