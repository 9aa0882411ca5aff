-- What a job takes in the server's memory. A part of a hash can't be asked for its size, so it is worked out from lengths:
-- what the server keeps beside a value depends on its version, how much is rounded up on its allocator. Off by less than 10 %.
local server = call('INFO', 'server')
local major, minor = string.match(server, 'valkey_version:(%d+)%.(%d+)')
local compact = major and major * 100 + minor >= 801 -- tables that hold short values themselves
local jemalloc = string.find(call('INFO', 'memory'), 'mem_allocator:jemalloc', 1, true)
local FIELD, PLACE, APART, LONG = 40, 100, 0, 115
if compact then FIELD, PLACE, APART = 26, 64, 16 end

-- jemalloc rounds up to 16 bytes, and above 128 to a quarter of a power of two
local function allocated(bytes)
  local step = 16
  while jemalloc and step * 8 < bytes do step = step * 2 end
  return math.ceil(bytes / step) * step
end

local indexed = call('EXISTS', prefix .. 'terms') == 1

local function size_of(id)
  local total = PLACE
  for _, name in ipairs({'job', 'run', 'end', 'note', 'past'}) do
    local length = call('HSTRLEN', prefix .. name, id)
    if length > 0 then total = total + FIELD + (length > LONG and APART or 0) + allocated(length + 8) end
  end
  if indexed then -- what can be searched for stands in `terms`, and each term in a line of all
    local terms = call('HGET', prefix .. 'terms', id) or ''
    if terms ~= '' then total = total + FIELD + (#terms > LONG and APART or 0) + allocated(#terms + 8) end
    for term in string.gmatch(terms, '\n([^\n]+)') do total = total + PLACE + allocated(#term + #id + 8) end
  end
  for _, name in ipairs({'log:', 'step:'}) do
    total = total + (call('MEMORY', 'USAGE', prefix .. name .. id, 'SAMPLES', 0) or 0)
  end
  return total
end
