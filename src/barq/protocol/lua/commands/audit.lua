-- audit: write down what somebody did by other calls.
-- args: again now name by act target before after count
-- returns: 1
-- flags: allow-oom
-- uses: clock once audit
local told = answered_before()
if told then return told end
write_down(act, target, before, after, count)
return answered(1)
