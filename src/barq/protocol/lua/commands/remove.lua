-- remove: forget jobs with all that belongs to them. A running one has to be cancelled first.
-- args: again now events_keep name by
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: allow-oom
-- uses: clock lines events look forget once audit acted
-- moves: waiting>none delayed>none completed>none failed>none cancelled>none blocked>none
local before = answered_before()
if before then return before end
local answer = {}
for i, id in each() do
  local state, type = locate(id)
  if not state then
    answer[i] = 'missing'
  elseif EVENT[state .. '>' .. NONE] ~= 'remove' then
    answer[i] = state
  else
    move(type, state, NONE, {id}, nil)
    forget({id})
    acted(id, state)
    answer[i] = ''
  end
end
write_down_acts(t, 'remove', 'null')
-- step: publishing
return answered(answer)
