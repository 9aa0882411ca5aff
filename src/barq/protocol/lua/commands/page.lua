-- page: a slice of one type's jobs in one state, in the order of the line or against it.
-- args: type state order score after skip most
-- score, after: of the last job of the page before ('' = from the beginning); it may have left the line meanwhile
-- skip: how many jobs behind that place are left out
-- returns: {1 when there is more, else 0, (id, state, score, record, run, end, note)*}
-- flags: no-writes
-- uses: lines look rank
local key = line(type, state)
local backwards = order == 'desc'
most = tonumber(most)

local rank = 0
if after ~= '' then
  rank = before(key, tonumber(score), after)
  if backwards then
    rank = call('ZCARD', key) - rank
  elseif call('ZRANGE', key, rank, rank)[1] == after then
    rank = rank + 1
  end
elseif backwards and state == ACTIVE and tonumber(skip) > 0 then
  rank = 1 -- the long member that is no job comes first, and is not to be counted
end
rank = rank + tonumber(skip)
-- one more than asked tells whether there is more, one more for the long member that is no job
local found = call(backwards and 'ZREVRANGE' or 'ZRANGE', key, rank, rank + most + 1, 'WITHSCORES')
local answer, told = {0}, 0
for i = 1, #found, 2 do
  local id = found[i]
  local record = call('HGET', prefix .. 'job', id)
  if record and told == most then
    answer[1] = 1
    break
  end
  if record then
    describe(answer, id, state, found[i + 1], record)
    told = told + 1
  end
end
return answer
