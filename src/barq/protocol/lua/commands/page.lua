-- page: a slice of one type's jobs in one state, in the order of the line or against it.
-- args: type state order rank after most
-- after: the last id of the page before ('' = none); where it left the line meanwhile, `rank` is the place to go on
-- returns: {rank to go on from or false, (id, state, score, record, run, end, note)*}
-- flags: no-writes
-- uses: lines look
local key = line(type, state)
local backwards = order == 'desc'
most = tonumber(most)
rank = tonumber(rank)
if after ~= '' then
  local stands = call(backwards and 'ZREVRANK' or 'ZRANK', key, after)
  if stands then rank = stands + 1 end
end
-- one more than asked tells whether there is more, one more for the long member that is no job
local found = call(backwards and 'ZREVRANGE' or 'ZRANGE', key, rank, rank + most + 1, 'WITHSCORES')
local answer, told, passed = {false}, 0, 0
for i = 1, #found, 2 do
  local id, score = found[i], found[i + 1]
  local record = call('HGET', prefix .. 'job', id)
  if record and told == most then
    answer[1] = whole(rank + passed)
    break
  end
  if record then
    describe(answer, id, state, score, record)
    told = told + 1
  end
  passed = passed + 1
end
return answer
