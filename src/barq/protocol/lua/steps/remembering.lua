-- Remembering: how attempts ended of jobs that are tried again: the last few, each with its length in front. Expects
-- `tried`, ids and endings by turns, or nil.
if tried then
  local PAST_KEEPS, PAST_BYTES = 5, 8000
  local ids = {}
  for i = 1, #tried, 2 do ids[#ids + 1] = tried[i] end
  local before, fields = call('HMGET', prefix .. 'past', unpack(ids)), {}
  for i, id in ipairs(ids) do
    local kept, text, at = {}, before[i] or '', 1
    while at <= #text do
      local length = string.match(text, '^%d+', at)
      local ends = at + #length + length
      kept[#kept + 1] = string.sub(text, at, ends)
      at = ends + 1
    end
    local ending = string.sub(tried[2 * i], 1, PAST_BYTES)
    kept[#kept + 1] = #ending .. ':' .. ending
    fields[2 * i - 1] = id
    fields[2 * i] = table.concat(kept, '', math.max(1, #kept - PAST_KEEPS + 1))
  end
  call('HSET', prefix .. 'past', unpack(fields))
end
