-- trim: leave out the oldest entries of the queue's stream of events when it takes more than so many bytes.
-- args: again now bytes
-- returns: how many entries were left out
-- flags: allow-oom
local key, most = prefix .. 'events', tonumber(bytes)
local before = call('EXISTS', key) == 1 and call('XLEN', key) or 0
local left = before
for _ = 1, 4 do -- entries differ in size, so what is too much is worked out anew
  local used = left > 0 and call('MEMORY', 'USAGE', key, 'SAMPLES', 0) or 0
  if used <= most then break end
  call('XTRIM', key, 'MAXLEN', math.max(1, math.floor(left * most / used * 0.95)))
  left = call('XLEN', key)
end
return before - left
