-- history: what ended in each of so many spans of time, the last of which goes on, of one type or ('') of all together.
-- args: now span seconds count type
-- span: minute or quarter, seconds long
-- returns: {ms of the time, packed sums of each, oldest first, '' where there are none ...}
-- flags: no-writes
-- uses: clock
local last, answer = math.floor(t / 1000 / seconds), {t}
for ago = count - 1, 0, -1 do
  answer[#answer + 1] = call('HGET', prefix .. span .. ':' .. whole(last - ago), type) or ''
end
return answer
