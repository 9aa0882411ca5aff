-- claim: hand waiting jobs to a worker under a lease. A claim sent again under the same nonce gets the jobs that it got
-- the first time. With chores (1) it promotes what is due and rescues what lost its lease on the way, and sets the marker
-- of a type again where it leaves jobs behind: a claim that follows a wait has taken the marker.
-- args: again now events_keep worker nonce lease_ms poison most chores
-- each_type: type most_of_type
-- returns: {ms until something is due or false, (id, token, record)*}
-- flags: allow-oom
-- uses: clock lines settings events due claiming
-- moves: delayed>waiting active>waiting active>failed waiting>active
local t = time_ms(now)
local answer = claim_jobs(t)
publish(t, events_keep)
return answer
