-- the time in ms, as a number and as text; 0 = the server's own, tests pass their own
local t = tonumber(now)
if t == 0 then
  local clock = call('TIME')
  t = clock[1] * 1000 + math.floor(clock[2] / 1000)
end
local time = whole(t)
