-- The settings of types, JSON by type; '' is the queue itself, so nothing else may be called that.
-- Until when a pause that holds at that time lasts (math.huge = until it is resumed); nil when there is none.
local function paused_until(settings, t)
  if not settings or settings == '' then return nil end
  local pause = cjson.decode(settings).paused
  local ends = pause and (pause['until'] or math.huge)
  return ends and ends > t and ends or nil
end
