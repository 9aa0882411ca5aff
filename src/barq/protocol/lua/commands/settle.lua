-- settle: say how attempts ended. Refused for a holder whose token is stale; sent again it changes nothing.
-- args: again now events_keep completed_ms completed_count failed_ms failed_count prunes group_count id_count
-- each_group: type token kind retry_ms size group_bodies
-- each_id: id
-- each_body: body
-- a group: that many jobs in a row which share these, with as many bodies, or with one that they share
-- kind: complete, discard (complete and forget), fail (for good, or again in retry_ms), release (hand back, nothing burnt),
--   park (blocked until somebody retries it, nothing burnt; with '-' as retry_ms)
-- prunes: 1 = apply the retention to the lines that these jobs enter
-- returns: ids that this holder no longer held
-- flags: allow-oom
-- uses: clock lines events forget
-- moves: active>completed active>none active>failed active>delayed active>blocked active>waiting completed>none failed>none
-- step: settling
-- step: remembering
if prunes == '1' then
  for _, lot in ipairs(lots) do
    if #lot.ids == 0 then -- all stale
    elseif lot.kind == 'complete' then prune(lot.type, COMPLETED, t, tonumber(completed_ms), tonumber(completed_count))
    elseif lot.kind == 'fail' then prune(lot.type, FAILED, t, tonumber(failed_ms), tonumber(failed_count)) end
  end
end
-- step: publishing
return stale
