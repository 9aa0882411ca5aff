-- workers: who is alive.
-- args: now
-- returns: (worker, info)*
-- flags: no-writes
-- uses: clock
local alive = call('ZRANGEBYSCORE', prefix .. 'workers:until', '(' .. time, '+inf')
local answer = {}
for from = 1, #alive, 500 do
  local slice = {unpack(alive, from, math.min(from + 499, #alive))}
  local infos = call('HMGET', prefix .. 'workers', unpack(slice))
  for i, worker in ipairs(slice) do
    answer[#answer + 1] = worker
    answer[#answer + 1] = infos[i] or '{}'
  end
end
return answer
