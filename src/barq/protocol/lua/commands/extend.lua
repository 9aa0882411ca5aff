-- extend: prolong the leases of running jobs.
-- args: again now lease_ms
-- each: type id token
-- returns: ids that this holder no longer holds
-- flags: allow-oom
-- uses: clock lines
local ids = {}
for i, _, id in each() do ids[i] = id end
local run = call('HMGET', prefix .. 'run', unpack(ids))
local lease_end = whole(t + lease_ms)
local lost, leases = {}, {}
for i, type, id, token in each() do
  if run[i] == token then
    local scored = bucket(leases, type)
    scored[#scored + 1] = lease_end
    scored[#scored + 1] = id
  else
    lost[#lost + 1] = id
  end
end
for type, scored in pairs(leases) do call('ZADD', line(type, ACTIVE), 'XX', unpack(scored)) end
return lost
