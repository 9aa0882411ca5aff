-- resume: end a pause.
-- args: again now name type
-- returns: 1 when it was paused
-- flags: allow-oom
-- uses: lines settings once
local WAKE_AT_MOST = 1000

local before = answered_before()
if before then return before end
local text = call('HGET', prefix .. 'types', type)
if not paused(text) then return answered(0) end
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
return answered(1)
