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
  if kind == 'fail' then -- the next attempt may have ended since: a failure more, and no rescue, is this one
    local _, failures, rescues = between_attempts(token)
    local _, failures_now, rescues_now = between_attempts(current or (ended and string.match(ended, '^%d+ ([^\n]*)')))
    if tonumber(failures_now) > tonumber(failures) and rescues_now == rescues then return true end
  end
  return call('HEXISTS', prefix .. 'job', id) == 0
end

local function lists()
  return {
    completed = {}, completed_ids = {}, results = {}, discarded = {}, discarded_results = {},
    failed = {}, failed_ids = {}, errors = {}, again = {}, again_ids = {}, again_errors = {}, back = {},
  }
end

local function over(type, state, scored, ids, details, now, keep_ms, keep_count)
  if #ids == 0 then return end
  call('HDEL', prefix .. 'run', unpack(ids))
  move(type, ACTIVE, state, ids, scored, details)
  if prunes == '1' then prune(type, state, now, tonumber(keep_ms), tonumber(keep_count)) end
end

local function settle_jobs(t)
  local time = whole(t)
  local ids = {}
  for i, _, id in each_settlement() do ids[i] = id end
  if #ids == 0 then return {} end
  local run = call('HMGET', prefix .. 'run', unpack(ids))
  local stale, kept, ended = {}, {}, {}
  local of_types = {}
  local of, of_type

  for i, type, id, token, kind, retry_ms, body in each_settlement() do
    if run[i] ~= token then
      if again ~= '1' or not settled_before(type, id, token, kind, body, run[i]) then stale[#stale + 1] = id end
    else
      if type ~= of_type then
        of, of_type = of_types[type] or lists(), type
        of_types[type] = of
      end
      if kind == 'discard' then
        local n = #of.discarded + 1
        of.discarded[n] = id
        of.discarded_results[n] = body
      elseif kind == 'release' then
        local attempt, failures, rescues = between_attempts(token)
        kept[#kept + 1] = id
        kept[#kept + 1] = attempt .. ' ' .. failures .. ' ' .. rescues
        of.back[#of.back + 1] = id
      else
        local k = #ended
        ended[k + 1] = id
        ended[k + 2] = time .. ' ' .. token .. '\n' .. body
        local scored, of_ids, details, score = of.completed, of.completed_ids, of.results, time
        if kind == 'fail' and retry_ms == '' then
          scored, of_ids, details = of.failed, of.failed_ids, of.errors
        elseif kind == 'fail' then
          local attempt, failures, rescues = between_attempts(token)
          kept[#kept + 1] = id
          kept[#kept + 1] = attempt .. ' ' .. whole(failures + 1) .. ' ' .. rescues
          scored, of_ids, details, score = of.again, of.again_ids, of.again_errors, whole(t + retry_ms)
        end
        local n = #of_ids + 1
        of_ids[n] = id
        details[n] = body
        scored[2 * n - 1] = score
        scored[2 * n] = id
      end
    end
  end

  if #kept > 0 then call('HSET', prefix .. 'run', unpack(kept)) end
  if #ended > 0 then call('HSET', prefix .. 'end', unpack(ended)) end
  for type, of in pairs(of_types) do
    over(type, COMPLETED, of.completed, of.completed_ids, of.results, t, completed_ms, completed_count)
    over(type, FAILED, of.failed, of.failed_ids, of.errors, t, failed_ms, failed_count)
    if #of.discarded > 0 then
      move(type, ACTIVE, NONE, of.discarded, nil, of.discarded_results)
      forget(of.discarded)
    end
    if #of.again_ids > 0 then move(type, ACTIVE, DELAYED, of.again_ids, of.again, of.again_errors) end
    if #of.back > 0 then
      local scored, known = scored_by_priority(of.back)
      if #known > 0 then move(type, ACTIVE, WAITING, known, scored) end
    end
    if #of.again_ids > 0 or #of.back > 0 then wake(type) end
  end
  return stale
end
