-- 0 = the server's own time; tests pass their own
local function time_ms(now)
  now = tonumber(now)
  if now > 0 then return now end
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
