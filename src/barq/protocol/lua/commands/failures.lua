-- failures: a slice of a type's failed jobs, the newest first: what each failed with, without the traceback.
-- args: type skip most
-- returns: (id, ms of its end, the error's line of JSON)*
-- flags: no-writes
-- uses: lines
local found = call('ZREVRANGE', line(type, FAILED), skip, skip + most - 1, 'WITHSCORES')
if #found == 0 then return found end
local ids, answer = {}, {}
for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
local endings = call('HMGET', prefix .. 'end', unpack(ids))
for i, id in ipairs(ids) do
  answer[#answer + 1] = id
  answer[#answer + 1] = found[2 * i]
  answer[#answer + 1] = endings[i] and string.match(endings[i], '^[^\n]*\n([^\n]*)') or ''
end
return answer
