-- turn: settle and claim in one call: what a busy worker says at the end of a turn of its loop. Chores and retention are
-- for settle and claim alone, so that this has nothing to set up that it does not need.
-- args: again now events_keep holder lease_ms most type_count group_count id_count
-- each_type: type most_of_type
-- each_group: type token kind retry_ms size group_bodies
-- each_id: id
-- each_body: body
-- returns: what claim returns, with what settle returns in its second place, or false where that is nothing
-- flags: allow-oom
-- uses: clock lines settings events forget
-- moves: active>completed active>none active>failed active>delayed active>blocked active>waiting waiting>active
-- step: settling
-- step: remembering
-- step: claiming
-- step: publishing
answer[2] = #stale > 0 and stale or false
return answer
