-- retry: jobs that have ended or are parked wait again, with all their attempts.
-- args: again now events_keep name
-- each: id
-- returns: for each id '' when done, 'missing', or the state that does not allow it
-- flags: deny-oom
-- uses: clock lines events look once
-- moves: completed>waiting failed>waiting cancelled>waiting blocked>waiting
local before = answered_before()
if before then return before end
local t = time_ms(now)
local answer = {}
for i, id in each() do
  local state, type, priority = locate(id)
  if not state then
    answer[i] = 'missing'
  elseif EVENT[state .. '>' .. WAITING] ~= 'retry' then
    answer[i] = state
  else
    local ended = call('HGET', prefix .. 'end', id)
    local attempt = ended and string.match(ended, '^%d+ (%d+)') or '0'
    call('HSET', prefix .. 'run', id, attempt .. ' 0 0')
    call('HDEL', prefix .. 'note', id)
    move(type, state, WAITING, {id}, {priority, id})
    wake(type)
    answer[i] = ''
  end
end
-- step: publishing
return answered(answer)
