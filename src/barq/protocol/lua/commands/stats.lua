-- stats: what is known of types beside their counts: what ended in each of the last minutes, and what waits longest.
-- args: now minutes
-- each: type
-- oldest: of each of the most urgent priorities the job that came first: {(head of its record, how it ended before)*}
-- returns: {ms of the time, (packed sums of each minute, oldest first, '' where there are none ..., oldest)*}
-- flags: no-writes
-- uses: clock lines
local PRIORITIES_AT_MOST = 8

local minute = math.floor(t / 60000)
local types, rows = {}, {}
for i, type in each() do types[i], rows[i] = type, {} end
for ago = minutes - 1, 0, -1 do
  local sums = call('HMGET', prefix .. 'minute:' .. whole(minute - ago), unpack(types))
  for i, row in ipairs(rows) do row[#row + 1] = sums[i] or '' end
end

local function oldest(type)
  local key, found, above = line(type, WAITING), {}, '-inf'
  for _ = 1, PRIORITIES_AT_MOST do
    local first = call('ZRANGEBYSCORE', key, above, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #first == 0 then break end
    local record = call('HGET', prefix .. 'job', first[1])
    local ended = call('HGET', prefix .. 'end', first[1])
    if record then
      found[#found + 1] = string.match(record, '^[^\n]*')
      found[#found + 1] = ended and string.match(ended, '^%d+') or ''
    end
    above = '(' .. first[2]
  end
  return found
end

local answer = {t}
for i, type in ipairs(types) do
  for _, sums in ipairs(rows[i]) do answer[#answer + 1] = sums end
  answer[#answer + 1] = oldest(type)
end
return answer
