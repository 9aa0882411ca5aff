-- turn: settle and claim in one call: what a busy worker says at the end of a turn of its loop.
-- args: again now events_keep completed_ms completed_count failed_ms failed_count prunes worker nonce lease_ms poison most chores type_count
-- each_type: type most_of_type
-- each_settlement: type id token kind retry_ms body
-- returns: {what settle returns, what claim returns}
-- flags: allow-oom
-- uses: clock lines settings events forget due settling claiming
-- moves: active>completed active>none active>failed active>delayed active>waiting completed>none failed>none delayed>waiting waiting>active
local t = time_ms(now)
local stale = settle_jobs(t)
local answer = {stale, claim_jobs(t)}
publish(t, events_keep)
return answer
