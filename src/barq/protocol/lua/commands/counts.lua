-- counts: how many jobs of each state, type by type.
-- args: now cursor
-- each: type
-- settings: '' also where all that stands there is a pause that has ended
-- returns: {next cursor ('0' = all told), (type, settings, number in each state …)*}; without types a slice of all
-- flags: no-writes
-- uses: clock lines settings
local SLICE = 100

local next_cursor, types = '0', {}
for i, type in each() do types[i] = type end
local settings = {}
if #types > 0 then
  local stored = call('HMGET', prefix .. 'types', unpack(types))
  for i, type in ipairs(types) do settings[type] = stored[i] or '' end
else
  local scanned = call('HSCAN', prefix .. 'types', cursor, 'COUNT', SLICE)
  next_cursor = scanned[1]
  for i = 1, #scanned[2], 2 do
    types[#types + 1] = scanned[2][i]
    settings[scanned[2][i]] = scanned[2][i + 1]
  end
end
local answer = {next_cursor}
for _, type in ipairs(types) do
  local stored_of_type = settings[type]
  if not paused_until(stored_of_type, t) then stored_of_type = '' end
  answer[#answer + 1] = type
  answer[#answer + 1] = stored_of_type
  for _, state in ipairs(STATES) do
    local number = call('ZCARD', line(type, state))
    -- the long member that keeps the set a skip list is no job
    if state == ACTIVE and number > 0 then number = number - 1 end
    answer[#answer + 1] = number
  end
end
return answer
