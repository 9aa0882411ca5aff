-- resume: end a pause.
-- args: again now name by type
-- returns: 1 when it was paused
-- flags: allow-oom
-- uses: clock lines settings once audit
local WAKE_AT_MOST = 1000

local before = answered_before()
if before then return before end
local text = call('HGET', prefix .. 'types', type)
local settings = text and text ~= '' and cjson.decode(text) or {}
if not settings.paused then return answered(0) end
local was = cjson.encode(settings.paused)
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
if not paused_until(text, t) then return answered(0) end -- it had ended by itself
write_down('resume', type == '' and 'queue' or 'type ' .. type, was, 'null', 1)
return answered(1)
