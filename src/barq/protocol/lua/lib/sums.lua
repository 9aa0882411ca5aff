-- Sums of attempts that ended, by type, in hashes that end by themselves. What stands there is packed:
-- {completed, failed, retried, (cell of a histogram, number)*}; '' is all types together.
local COUNTS = 3

-- two such lists as one; both have their cells in order
local function added(old, new)
  local sum = {}
  for at = 1, COUNTS do sum[at] = old[at] + new[at] end
  local n, i, k = COUNTS, COUNTS + 1, COUNTS + 1
  local a, b = old[i], new[k]
  while a or b do
    if a == b then
      sum[n + 1], sum[n + 2] = a, old[i + 1] + new[k + 1]
      i, k = i + 2, k + 2
    elseif not b or (a and a < b) then
      sum[n + 1], sum[n + 2] = a, old[i + 1]
      i = i + 2
    else
      sum[n + 1], sum[n + 2] = b, new[k + 1]
      k = k + 2
    end
    n, a, b = n + 2, old[i], new[k]
  end
  return sum
end

-- add lists to what a hash has of the same types
local function add_all(key, types, lists)
  local before, fields = call('HMGET', key, unpack(types)), {}
  for i, type in ipairs(types) do
    fields[2 * i - 1] = type
    fields[2 * i] = cmsgpack.pack(before[i] and added(cmsgpack.unpack(before[i]), lists[i]) or lists[i])
  end
  call('HSET', key, unpack(fields))
end
