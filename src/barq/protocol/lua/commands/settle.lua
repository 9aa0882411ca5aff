-- settle: say how attempts ended. Refused for a holder whose token is stale; sent again it changes nothing.
-- args: again now events_keep completed_ms completed_count failed_ms failed_count prunes
-- each_settlement: type id token kind retry_ms body
-- kind: complete, discard (complete and forget), fail (for good, or again in retry_ms), release (hand back, nothing burnt)
-- prunes: 1 = apply the retention to the lines that these jobs enter
-- returns: ids that this holder no longer held
-- flags: allow-oom
-- uses: clock lines events forget settling
-- moves: active>completed active>none active>failed active>delayed active>waiting completed>none failed>none
local t = time_ms(now)
local stale = settle_jobs(t)
publish(t, events_keep)
return stale
