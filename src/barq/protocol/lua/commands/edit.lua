-- edit: change what was asked of a job that does not run: its priority, its data. With retry (1) a finished one waits again.
-- args: again now events_keep name by id priority has_data data terms retry
-- priority: '' = as it was. has_data: 1 = data takes the place of what it had, and it is found by other `terms`
-- returns: '' when done, 'missing', or the state that does not allow it
-- flags: deny-oom
-- uses: clock lines events terms look once audit anew
-- moves: completed>waiting failed>waiting cancelled>waiting blocked>waiting
local MOST_WRITTEN_DOWN = 2000

local before = answered_before()
if before then return before end
local state, type, was, _, record = locate(id)
if not state then return answered('missing') end
if state == ACTIVE then return answered(state) end
if retry == '1' and EVENT[state .. '>' .. WAITING] ~= 'retry' then return answered(state) end

if priority == '' then priority = was end
local created, options, payload = string.match(record, '^(%d+)\t%-?%d+(\t[^\n]*\n)(.*)$')
if has_data ~= '1' then data = payload else find_by(id, type, terms) end
call('HSET', prefix .. 'job', id, created .. '\t' .. priority .. options .. data)
if state == WAITING then call('ZADD', line(type, WAITING), 'XX', priority, id) end
local change = '{"priority":' .. priority .. ',"data":' .. tostring(has_data == '1') .. '}'
tell('edit', type, {id}, {change})
if retry == '1' then
  begin_anew(id, state)
  move(type, state, WAITING, {id}, {priority, id})
  wake(type)
end

local more = {}
if has_data == '1' then
  more = {'old', string.sub(payload, 1, MOST_WRITTEN_DOWN + 1), 'new', string.sub(data, 1, MOST_WRITTEN_DOWN + 1)}
end
local act = retry == '1' and 'edit and retry' or 'edit'
write_down(act, 'jobs ' .. id, '{"priority":' .. was .. '}', '{"priority":' .. priority .. '}', 1, more)
-- step: remembering
-- step: publishing
return answered('')
