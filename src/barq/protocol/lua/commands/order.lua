-- order: tell a worker with its next beat to claim nothing more (drain), to stop, or to go on (work).
-- args: again now name by worker order
-- returns: 1 when it is a new order, 0 when it had that, -1 when no such worker lives
-- flags: allow-oom
-- uses: clock once audit
local before = answered_before()
if before then return before end
local lives_until = call('ZSCORE', prefix .. 'workers:until', worker)
if not lives_until or tonumber(lives_until) <= t then return answered(-1) end
local had = call('HGET', prefix .. 'orders', worker) or 'work'
if had == order then return answered(0) end
if order == 'work' then
  call('HDEL', prefix .. 'orders', worker)
else
  call('HSET', prefix .. 'orders', worker, order)
end
write_down(order, 'worker ' .. worker, '"' .. had .. '"', '"' .. order .. '"', 1)
return answered(1)
