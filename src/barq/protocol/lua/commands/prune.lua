-- prune: retention of one type's finished jobs, at most 250 of each state in one call.
-- args: again now events_keep completed_ms completed_count failed_ms failed_count type
-- returns: how many jobs were forgotten
-- flags: allow-oom
-- uses: clock lines events forget
-- moves: completed>none failed>none cancelled>none
local forgotten = prune(type, COMPLETED, t, tonumber(completed_ms), tonumber(completed_count))
forgotten = forgotten + prune(type, FAILED, t, tonumber(failed_ms), tonumber(failed_count))
forgotten = forgotten + prune(type, CANCELLED, t, tonumber(failed_ms), tonumber(failed_count))
-- step: publishing
return forgotten
