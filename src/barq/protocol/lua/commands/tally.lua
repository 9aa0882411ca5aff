-- tally: what a worker has counted of its attempts, added to what is known of the minute, the quarter of an hour, and ever.
-- args: again now worker name
-- each: type sums
-- sums: packed, as lib/sums.lua has them; the type '' comes with those of all of them
-- returns: nothing
-- flags: allow-oom
-- uses: clock sums
local HEARD_LIVES_MS = 600000

local once = prefix .. 'tally:' .. worker .. ':once'
if call('GET', once) == name then return {} end

local types, lists = {}, {}
for i, type, sums in each() do types[i], lists[i] = type, cmsgpack.unpack(sums) end

local seconds = math.floor(t / 1000)
for _, span in ipairs({{'minute', 60, 7500}, {'quarter', 900, 606600}}) do
  local key = prefix .. span[1] .. ':' .. whole(math.floor(seconds / span[2]))
  add_all(key, types, lists)
  call('EXPIRE', key, span[3])
end
add_all(prefix .. 'ever', types, lists)
call('SET', once, name, 'PX', HEARD_LIVES_MS)
return {}
