-- recall: what a step of a running attempt gave when it ran before.
-- args: id token name
-- returns: {1 when this holder holds the job, else 0, the result that is kept or false}
-- flags: no-writes
if call('HGET', prefix .. 'run', id) ~= token then return {0, false} end
return {1, call('HGET', prefix .. 'step:' .. id, name)}
