-- gauge: how many terms of the search index stand between two bounds.
-- each: low high
-- returns: for each pair of bounds a number
-- flags: no-writes
local answer = {}
for i, low, high in each() do answer[i] = call('ZLEXCOUNT', prefix .. 'find', low, high) end
return answer
