-- What acts on jobs write down: from which states so many of them went to another ('null' = forgotten).
local MOST_NAMED = 20

local acted_on, acted_from, acted_times = {}, {}, 0

local function acted(id, state)
  acted_times = acted_times + 1
  if acted_times <= MOST_NAMED then acted_on[acted_times] = id end
  acted_from[state] = (acted_from[state] or 0) + 1
end

local function write_down_acts(t, act, after)
  if acted_times == 0 then return end
  local first, number = next(acted_from)
  local from = number == acted_times and '"' .. first .. '"' or cjson.encode(acted_from)
  write_down(act, 'jobs ' .. table.concat(acted_on, ' '), from, after, acted_times)
end
