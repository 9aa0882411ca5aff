-- claim: hand waiting jobs to a worker under a lease. A claim sent again under the same nonce gets the jobs that it got
-- the first time. With chores (1) it promotes what is due and rescues what lost its lease on the way, and sets the marker
-- of a type again where it leaves jobs behind: a claim that follows a wait has taken the marker. It also says whether the
-- worker has an order, for one that is idle seldom reports.
-- holder: NONCE WORKER
-- args: again now events_keep holder lease_ms poison most chores
-- each_type: type most_of_type
-- due: ms until something is due, or false; beside jobs 0 when more is due than was moved on the way, else false
-- returns: {due, 1 with an order and chores, else false, (type, how many groups, (token, how many jobs)*, {ids}, {their records})*}
-- flags: allow-oom
-- uses: clock lines settings events due
-- moves: delayed>waiting active>waiting active>failed waiting>active
if chores == '1' then
  for _, type in each_type() do
    promote_due(type, t)
    rescue_lost(type, t, tonumber(poison))
  end
end
-- step: claiming
if chores == '1' then
  for i, type in ipairs(types) do
    if open[i] and call('EXISTS', line(type, WAITING)) == 1 then wake(type) end
  end
  if more_is_due and filled > 2 then answer[1] = 0 end
  if call('HEXISTS', prefix .. 'orders', string.match(holder, ' (.+)')) == 1 then answer[2] = 1 end
end
-- step: publishing
return answer
