-- Where a job is, and all that is known of it.
local function locate(id)
  local record = call('HGET', prefix .. 'job', id)
  if not record then return nil end
  local priority, type = header(record)
  for _, state in ipairs(STATES) do
    local score = call('ZSCORE', line(type, state), id)
    if score then return state, type, priority, score, record end
  end
  return nil
end

local function describe(out, id, state, score, record)
  out[#out + 1] = id
  out[#out + 1] = state
  out[#out + 1] = score
  out[#out + 1] = record
  out[#out + 1] = call('HGET', prefix .. 'run', id)
  out[#out + 1] = call('HGET', prefix .. 'end', id)
  out[#out + 1] = call('HGET', prefix .. 'note', id)
end
