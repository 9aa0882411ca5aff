-- Sums of attempts that ended, by type, in hashes that end by themselves. What stands there is packed:
-- {completed, failed, retried, (cell of a histogram, number)*}; '' is all types together.
local COUNTS = 3

-- two such lists as one
local function added(old, new)
  local sum, cells, order = {}, {}, {}
  for at = 1, COUNTS do sum[at] = old[at] + new[at] end
  for _, list in ipairs({old, new}) do
    for at = COUNTS + 1, #list, 2 do
      local cell = list[at]
      if not cells[cell] then order[#order + 1] = cell end
      cells[cell] = (cells[cell] or 0) + list[at + 1]
    end
  end
  table.sort(order)
  for _, cell in ipairs(order) do
    sum[#sum + 1] = cell
    sum[#sum + 1] = cells[cell]
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
