-- beat: a worker says that it lives; with lives_ms 0 that it leaves. Workers that said nothing for too long are dropped.
-- args: again now worker lives_ms info
-- returns: {what it was told to do: drain or stop, or ''}
-- flags: allow-oom
-- uses: clock
if tonumber(lives_ms) > 0 then
  call('HSET', prefix .. 'workers', worker, info)
  call('ZADD', prefix .. 'workers:until', whole(t + lives_ms), worker)
else
  call('HDEL', prefix .. 'orders', worker)
  call('HDEL', prefix .. 'workers', worker)
  call('ZREM', prefix .. 'workers:until', worker)
end
local dead = call('ZRANGEBYSCORE', prefix .. 'workers:until', '-inf', time, 'LIMIT', 0, 100)
if #dead > 0 then
  call('HDEL', prefix .. 'workers', unpack(dead))
  call('HDEL', prefix .. 'orders', unpack(dead))
  call('ZREM', prefix .. 'workers:until', unpack(dead))
end
return {call('HGET', prefix .. 'orders', worker) or ''}
