-- settle: say how attempts ended. Refused for a holder whose token is stale; sent again it changes nothing.
-- args: again now events_keep completed_ms completed_count failed_ms failed_count
-- each: type id token kind retry_ms body
-- kind: complete, discard (complete and forget), fail (for good, or again in retry_ms), release (hand back, nothing burnt)
-- returns: ids that this holder no longer held
-- flags: allow-oom
-- uses: clock lines events forget
-- moves: active>completed active>none active>failed active>delayed active>waiting
local t = time_ms(now)
local time = whole(t)
local ids = {}
for i, _, id in each() do ids[i] = id end
local run = call('HMGET', prefix .. 'run', unpack(ids))

-- after a lost answer: was it this very call that settled the job?
local function settled_before(id, token, current)
  local ended = call('HGET', prefix .. 'end', id)
  if ended and string.find(ended, ' ' .. token .. '\n', 1, true) then return true end
  if current then return string.match(current, '^(%d+) %d+ %d+$') == string.match(token, '^%d+') end
  return call('HEXISTS', prefix .. 'job', id) == 0
end

local stale, kept, over, left = {}, {}, {}, {}
local completed, completed_ids, results = {}, {}, {}
local discarded, discarded_results, gone = {}, {}, {}
local failed, failed_ids, errors = {}, {}, {}
local again_at, again_ids, again_errors = {}, {}, {}
local back, ended, types = {}, {}, {}
for i, type, id, token, kind, retry_ms, body in each() do
  if run[i] ~= token then
    if again ~= '1' or not settled_before(id, token, run[i]) then stale[#stale + 1] = id end
  else
    types[type] = true
    local from = bucket(left, type)
    from[#from + 1] = id
    if kind == 'discard' then
      gone[#gone + 1] = id
      local of, result = bucket(discarded, type), bucket(discarded_results, type)
      of[#of + 1] = id
      result[#result + 1] = body
    elseif kind == 'release' then
      local attempt, failures, rescues = between_attempts(token)
      kept[#kept + 1] = id
      kept[#kept + 1] = attempt .. ' ' .. failures .. ' ' .. rescues
      local of = bucket(back, type)
      of[#of + 1] = id
    else
      ended[#ended + 1] = id
      ended[#ended + 1] = time .. ' ' .. token .. '\n' .. body
      if kind == 'complete' then
        over[#over + 1] = id
        local scored, of, result = bucket(completed, type), bucket(completed_ids, type), bucket(results, type)
        scored[#scored + 1] = time
        scored[#scored + 1] = id
        of[#of + 1] = id
        result[#result + 1] = body
      elseif retry_ms == '' then
        over[#over + 1] = id
        local scored, of, error_text = bucket(failed, type), bucket(failed_ids, type), bucket(errors, type)
        scored[#scored + 1] = time
        scored[#scored + 1] = id
        of[#of + 1] = id
        error_text[#error_text + 1] = body
      else
        local attempt, failures, rescues = between_attempts(token)
        kept[#kept + 1] = id
        kept[#kept + 1] = attempt .. ' ' .. whole(failures + 1) .. ' ' .. rescues
        local scored, of, error_text = bucket(again_at, type), bucket(again_ids, type), bucket(again_errors, type)
        scored[#scored + 1] = whole(t + retry_ms)
        scored[#scored + 1] = id
        of[#of + 1] = id
        error_text[#error_text + 1] = body
      end
    end
  end
end

if #over > 0 then call('HDEL', prefix .. 'run', unpack(over)) end
if #kept > 0 then call('HSET', prefix .. 'run', unpack(kept)) end
if #ended > 0 then call('HSET', prefix .. 'end', unpack(ended)) end
for type in pairs(types) do
  call('ZREM', line(type, ACTIVE), unpack(left[type]))
  if completed[type] then enter(type, ACTIVE, COMPLETED, completed_ids[type], completed[type], results[type]) end
  if discarded[type] then enter(type, ACTIVE, NONE, discarded[type], nil, discarded_results[type]) end
  if failed[type] then enter(type, ACTIVE, FAILED, failed_ids[type], failed[type], errors[type]) end
  if again_at[type] then
    enter(type, ACTIVE, DELAYED, again_ids[type], again_at[type], again_errors[type])
    wake(type)
  end
  if back[type] then
    local scored, known = scored_by_priority(back[type])
    if #known > 0 then enter(type, ACTIVE, WAITING, known, scored) end
    wake(type)
  end
  if completed[type] then prune(type, COMPLETED, t, tonumber(completed_ms), tonumber(completed_count)) end
  if failed[type] then prune(type, FAILED, t, tonumber(failed_ms), tonumber(failed_count)) end
end
if #gone > 0 then forget(gone) end
publish(t, events_keep)
return stale
