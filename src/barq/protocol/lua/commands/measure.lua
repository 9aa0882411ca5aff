-- measure: how many bytes the jobs of a line take, a slice of it, from the oldest on, by the second at which they ended.
-- args: type state after_score after_id most
-- after: the place behind which to go on ('' = from the beginning)
-- returns: {next score, next id ('' = that was all), (second, bytes)*}
-- flags: no-writes
-- uses: lines sizes
local key = line(type, state)
local rank = 0
if after_id ~= '' then
  rank = call('ZRANK', key, after_id)
  rank = rank and rank + 1 or call('ZCOUNT', key, '-inf', '(' .. after_score)
end
local found = call('ZRANGE', key, rank, rank + most - 1, 'WITHSCORES')
local answer, seconds, bytes = {'', ''}, {}, {}
for i = 1, #found, 2 do
  local second = math.floor(found[i + 1] / 1000)
  if not bytes[second] then seconds[#seconds + 1] = second end
  bytes[second] = (bytes[second] or 0) + size_of(found[i])
end
if #found == 2 * most then answer[1], answer[2] = found[#found], found[#found - 1] end
for _, second in ipairs(seconds) do
  answer[#answer + 1] = whole(second)
  answer[#answer + 1] = whole(bytes[second])
end
return answer
