-- The settings of types, JSON by type; '' is the queue itself, so nothing else may be called that.
local function paused(settings)
  return settings and settings ~= '' and cjson.decode(settings).paused ~= nil
end
