-- watch: have events of these jobs put into an inbox from now on, and say how each job stands now.
-- args: again now inbox watch_ms
-- each: id
-- returns: (id, state, score, record, run, end, note)* of those that are there
-- flags: allow-oom
-- uses: clock lines look
local answer, watchers = {}, {}
for _, id in each() do
  local state, _, _, score, record = locate(id)
  if state then
    describe(answer, id, state, score, record)
    if state ~= COMPLETED and state ~= FAILED and state ~= CANCELLED then
      local entry = {whole(t + watch_ms) .. ':' .. inbox}
      local before = call('HGET', prefix .. 'watch', id) or ''
      for until_ms, other in string.gmatch(before, '(%d+):(%S+)') do
        if other ~= inbox and tonumber(until_ms) > t then entry[#entry + 1] = until_ms .. ':' .. other end
      end
      watchers[#watchers + 1] = id
      watchers[#watchers + 1] = table.concat(entry, ' ')
    end
  end
end
if #watchers > 0 then call('HSET', prefix .. 'watch', unpack(watchers)) end
return answer
