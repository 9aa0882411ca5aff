-- resume: end a pause.
-- args: again now type
-- returns: 1 when it was paused
-- flags: allow-oom
-- uses: clock lines settings
local WAKE_AT_MOST = 1000

local text = call('HGET', prefix .. 'types', type)
if not paused(text) then return again == '1' and 1 or 0 end
local settings = cjson.decode(text)
settings.paused = nil
call('HSET', prefix .. 'types', type, next(settings) and cjson.encode(settings) or '')
if type ~= '' then
  wake(type)
else
  local types = call('HKEYS', prefix .. 'types')
  for i = 1, math.min(#types, WAKE_AT_MOST) do
    if types[i] ~= '' then wake(types[i]) end
  end
end
return 1
