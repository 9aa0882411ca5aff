-- partitions: into how many a queue is cut. Told once, by who uses it first; a queue that is there without has one.
-- args: again now wanted
-- returns: the number that it has
-- flags: allow-oom
local key = prefix .. 'partitions'
local stored = call('GET', key)
if not stored then
  stored = call('EXISTS', prefix .. 'types') == 1 and '1' or wanted
  if stored ~= '1' then call('SET', key, stored) end
end
return tonumber(stored)
