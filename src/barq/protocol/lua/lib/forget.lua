-- Forget everything about jobs that are in no line any more.
local function forget(ids)
  if call('EXISTS', prefix .. 'terms') == 1 then -- what can be searched for of them, see terms.lua
    local AT_ONCE = 4000
    local terms, gone = call('HMGET', prefix .. 'terms', unpack(ids)), {}
    for i, id in ipairs(ids) do
      for term in string.gmatch(terms[i] or '', '\n([^\n]+)') do gone[#gone + 1] = term .. '\0' .. id end
    end
    for from = 1, #gone, AT_ONCE do call('ZREM', prefix .. 'find', unpack(gone, from, math.min(from + AT_ONCE - 1, #gone))) end
    call('HDEL', prefix .. 'terms', unpack(ids))
  end
  call('HDEL', prefix .. 'job', unpack(ids))
  call('HDEL', prefix .. 'run', unpack(ids))
  call('HDEL', prefix .. 'end', unpack(ids))
  call('HDEL', prefix .. 'note', unpack(ids))
  call('HDEL', prefix .. 'past', unpack(ids))
  local logs, n = {}, #ids
  for i, id in ipairs(ids) do logs[i], logs[n + i] = prefix .. 'log:' .. id, prefix .. 'step:' .. id end
  call('DEL', unpack(logs))
end

local PRUNE_AT_MOST = 250
local prunes_left = 750 -- over all lines of a call

-- Retention of one finished line: at most keep_count jobs, none older than keep_ms (-1 = no limit).
local function prune(type, state, now, keep_ms, keep_count)
  local key = line(type, state)
  local most = math.min(PRUNE_AT_MOST, prunes_left)
  if most == 0 then return 0 end
  local spare = 0
  if keep_count >= 0 then spare = math.min(call('ZCARD', key) - keep_count, most) end
  local ids = spare > 0 and call('ZRANGE', key, 0, spare - 1) or {}
  if #ids == 0 and keep_ms >= 0 then
    ids = call('ZRANGEBYSCORE', key, '-inf', '(' .. whole(now - keep_ms), 'LIMIT', 0, most)
  end
  if #ids == 0 then return 0 end
  prunes_left = prunes_left - #ids
  move(type, state, NONE, ids, nil)
  forget(ids)
  return #ids
end
