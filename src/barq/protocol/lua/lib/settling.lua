-- Settling: what settle and turn share.

-- After a lost answer: was it this very call that settled the job? What a cancel or a last rescue writes has the holder's
-- token as well, and a rescued job its attempt: so all of it must be as this call left it.
local function settled_before(type, id, token, kind, body, current)
  if kind == 'release' then
    local attempt, failures, rescues = between_attempts(token)
    return current == attempt .. ' ' .. failures .. ' ' .. rescues
  end
  local ended = call('HGET', prefix .. 'end', id)
  if ended and string.match(ended, '^%d+ (.*)$') == token .. '\n' .. body then
    return not call('ZSCORE', line(type, CANCELLED), id)
  end
  return call('HEXISTS', prefix .. 'job', id) == 0
end

local function lists()
  return {
    left = {}, completed = {}, completed_ids = {}, results = {}, discarded = {}, discarded_results = {},
    failed = {}, failed_ids = {}, errors = {}, again = {}, again_ids = {}, again_errors = {}, back = {},
  }
end

local function add(scored, score, ids, id, details, detail)
  local n = #ids + 1
  ids[n] = id
  details[n] = detail
  scored[2 * n - 1] = score
  scored[2 * n] = id
end

local function settle_jobs(t)
  local time = whole(t)
  local ids = {}
  for i, _, id in each_settlement() do ids[i] = id end
  if #ids == 0 then return {} end
  local run = call('HMGET', prefix .. 'run', unpack(ids))
  local stale, kept, over, ended, gone = {}, {}, {}, {}, {}
  local of_types = {}
  local of, of_type

  for i, type, id, token, kind, retry_ms, body in each_settlement() do
    if run[i] ~= token then
      if again ~= '1' or not settled_before(type, id, token, kind, body, run[i]) then stale[#stale + 1] = id end
    else
      if type ~= of_type then
        of, of_type = of_types[type], type
        if not of then
          of = lists()
          of_types[type] = of
        end
      end
      of.left[#of.left + 1] = id
      if kind == 'discard' then
        gone[#gone + 1] = id
        of.discarded[#of.discarded + 1] = id
        of.discarded_results[#of.discarded] = body
      elseif kind == 'release' then
        local attempt, failures, rescues = between_attempts(token)
        kept[#kept + 1] = id
        kept[#kept + 1] = attempt .. ' ' .. failures .. ' ' .. rescues
        of.back[#of.back + 1] = id
      else
        local k = #ended
        ended[k + 1] = id
        ended[k + 2] = time .. ' ' .. token .. '\n' .. body
        if kind == 'complete' then
          over[#over + 1] = id
          add(of.completed, time, of.completed_ids, id, of.results, body)
        elseif retry_ms == '' then
          over[#over + 1] = id
          add(of.failed, time, of.failed_ids, id, of.errors, body)
        else
          local attempt, failures, rescues = between_attempts(token)
          kept[#kept + 1] = id
          kept[#kept + 1] = attempt .. ' ' .. whole(failures + 1) .. ' ' .. rescues
          add(of.again, whole(t + retry_ms), of.again_ids, id, of.again_errors, body)
        end
      end
    end
  end

  if #over > 0 then call('HDEL', prefix .. 'run', unpack(over)) end
  if #kept > 0 then call('HSET', prefix .. 'run', unpack(kept)) end
  if #ended > 0 then call('HSET', prefix .. 'end', unpack(ended)) end
  for type, of in pairs(of_types) do
    call('ZREM', line(type, ACTIVE), unpack(of.left))
    if #of.completed_ids > 0 then enter(type, ACTIVE, COMPLETED, of.completed_ids, of.completed, of.results) end
    if #of.discarded > 0 then enter(type, ACTIVE, NONE, of.discarded, nil, of.discarded_results) end
    if #of.failed_ids > 0 then enter(type, ACTIVE, FAILED, of.failed_ids, of.failed, of.errors) end
    if #of.again_ids > 0 then enter(type, ACTIVE, DELAYED, of.again_ids, of.again, of.again_errors) end
    if #of.back > 0 then
      local scored, known = scored_by_priority(of.back)
      if #known > 0 then enter(type, ACTIVE, WAITING, known, scored) end
    end
    if #of.again_ids > 0 or #of.back > 0 then wake(type) end
    if prunes == '1' then
      if #of.completed_ids > 0 then prune(type, COMPLETED, t, tonumber(completed_ms), tonumber(completed_count)) end
      if #of.failed_ids > 0 then prune(type, FAILED, t, tonumber(failed_ms), tonumber(failed_count)) end
    end
  end
  if #gone > 0 then forget(gone) end
  return stale
end
