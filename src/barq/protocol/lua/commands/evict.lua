-- evict: forget the oldest jobs of a line that ended until a time, as many as it takes to free so many bytes, at most 250.
-- args: again now events_keep name type state until_ms bytes
-- state: completed, failed, cancelled
-- returns: {how many jobs were forgotten, how many bytes that freed}
-- flags: allow-oom
-- uses: clock lines events forget once sizes
-- moves: completed>none failed>none cancelled>none
local before = answered_before()
if before then return before end
local oldest = call('ZRANGEBYSCORE', line(type, state), '-inf', until_ms, 'LIMIT', 0, PRUNE_AT_MOST)
local ids, freed, wanted = {}, 0, tonumber(bytes)
while freed < wanted and #ids < #oldest do
  ids[#ids + 1] = oldest[#ids + 1]
  freed = freed + size_of(ids[#ids])
end
if #ids > 0 then
  if state == COMPLETED then move(type, COMPLETED, NONE, ids, nil) end
  if state == FAILED then move(type, FAILED, NONE, ids, nil) end
  if state == CANCELLED then move(type, CANCELLED, NONE, ids, nil) end
  forget(ids)
end
-- step: publishing
return answered({#ids, freed})
