-- fetch: all that is known of some jobs.
-- each: id
-- returns: (id, state, score, record, run, end, note)* of those that are there
-- flags: no-writes
-- uses: lines look
local answer = {}
for _, id in each() do
  local state, _, _, score, record = locate(id)
  if state then describe(answer, id, state, score, record) end
end
return answer
