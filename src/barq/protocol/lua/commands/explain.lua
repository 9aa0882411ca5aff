-- explain: what decides when a job runs: all that is known of it, its place in the line, pauses, and what its type runs.
-- args: now id
-- before: how many jobs of its line run before it, -1 when it does not wait
-- returns: {} when it is not there, else {ms of the time, before, settings of its type, of the queue, active jobs of its
-- type, (id, state, score, record without its payload, run, end, note)}
-- flags: no-writes
-- uses: clock lines look
local state, type, _, score, record = locate(id)
if not state then return {} end
local settings = call('HMGET', prefix .. 'types', type, '')
local active = call('ZCARD', line(type, ACTIVE))
local answer = {
  t,
  state == WAITING and call('ZRANK', line(type, WAITING), id) or -1,
  settings[1] or '',
  settings[2] or '',
  math.max(0, active - 1), -- the long member is no job
}
describe(answer, id, state, score, string.match(record, '^[^\n]*') .. '\n')
return answer
