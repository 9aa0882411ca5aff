-- keep: keep the result of a step of a running attempt for the attempts that follow. What is kept already stays.
-- args: again now id token name body
-- returns: {1 when this holder holds the job, else 0, the result that is kept or false}
-- flags: allow-oom
if call('HGET', prefix .. 'run', id) ~= token then return {0, false} end
call('HSETNX', prefix .. 'step:' .. id, name, body)
return {1, call('HGET', prefix .. 'step:' .. id, name)}
