-- remove: forget jobs with all that belongs to them. A running one has to be cancelled first.
-- args: again now events_keep name
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: allow-oom
-- uses: clock lines events look forget once
-- moves: waiting>none delayed>none completed>none failed>none cancelled>none blocked>none
local before = answered_before()
if before then return before end
local t = time_ms(now)
local answer = {}
for i, id in each() do
  local state, type = locate(id)
  if not state then
    answer[i] = 'missing'
  elseif EVENT[state .. '>' .. NONE] ~= 'remove' then
    answer[i] = state
  else
    move(type, state, NONE, {id})
    forget({id})
    answer[i] = ''
  end
end
-- step: publishing
return answered(answer)
