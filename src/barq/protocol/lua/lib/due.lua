-- Chores that every claim does on the way, bounded: promote what is due, rescue what lost its lease.
local AT_MOST = 250
local chores_left = 500 -- over all types of a claim
local more_is_due = false -- a slice was full: there may be another behind it

-- ids of a line up to a score, as many as may be moved on the way
local function overdue(type, state, until_ms)
  local most = math.min(AT_MOST, chores_left)
  local ids = most > 0 and call('ZRANGEBYSCORE', line(type, state), '-inf', until_ms, 'LIMIT', 0, most) or {}
  chores_left = chores_left - #ids
  more_is_due = more_is_due or #ids == most
  return ids
end

local function promote_due(type, now)
  local due = overdue(type, DELAYED, whole(now))
  if #due == 0 then return end
  local scored, ids = scored_by_priority(due)
  call('ZREM', line(type, DELAYED), unpack(due))
  if #ids > 0 then enter(type, DELAYED, WAITING, ids, scored) end
end

local function lost_error(rescues)
  return string.format('{"type":"WorkerLost","message":"its worker was lost %d times while it ran: it is not tried again"}\n', rescues + 1)
end

-- A job whose worker was lost goes back to its line; one that was rescued `poison` times already has failed.
local function rescue_lost(type, now, poison)
  local lost = overdue(type, ACTIVE, '(' .. whole(now))
  if #lost == 0 then return end
  local runs = call('HMGET', prefix .. 'run', unpack(lost))
  local back, poisoned, run, ended, errors, failed = {}, {}, {}, {}, {}, {}
  for i, id in ipairs(lost) do
    local attempt, failures, rescues = between_attempts(runs[i])
    if tonumber(rescues) >= poison then
      local error_text = lost_error(rescues)
      poisoned[#poisoned + 1] = id
      errors[#errors + 1] = error_text
      ended[#ended + 1] = id
      ended[#ended + 1] = whole(now) .. ' ' .. (runs[i] or '0 0 0') .. '\n' .. error_text
      failed[#failed + 1] = whole(now)
      failed[#failed + 1] = id
    else
      back[#back + 1] = id
      run[#run + 1] = id
      run[#run + 1] = attempt .. ' ' .. failures .. ' ' .. whole(rescues + 1)
    end
  end
  call('ZREM', line(type, ACTIVE), unpack(lost))
  if #back > 0 then
    local scored, ids = scored_by_priority(back)
    call('HSET', prefix .. 'run', unpack(run))
    if #ids > 0 then enter(type, ACTIVE, WAITING, ids, scored) end
  end
  if #poisoned > 0 then
    call('HDEL', prefix .. 'run', unpack(poisoned))
    call('HSET', prefix .. 'end', unpack(ended))
    enter(type, ACTIVE, FAILED, poisoned, failed, errors)
    local erred_ids = poisoned
    -- step: erring
  end
end
