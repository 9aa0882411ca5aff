-- Claiming: what claim and turn share.

local function held_by_nonce(types)
  local answer = {false}
  for _, type in ipairs(types) do
    local ids = call('ZRANGE', line(type, ACTIVE), 0, -1)
    for from = 1, #ids, 500 do
      local slice = {unpack(ids, from, math.min(from + 499, #ids))}
      local runs = call('HMGET', prefix .. 'run', unpack(slice))
      for i, id in ipairs(slice) do
        if runs[i] and string.find(runs[i], ' ' .. nonce .. ' ' .. worker .. ' ', 1, true) then
          answer[#answer + 1] = id
          answer[#answer + 1] = runs[i]
          answer[#answer + 1] = call('HGET', prefix .. 'job', id)
        end
      end
    end
  end
  return answer
end

local function claim_jobs(t)
  local types, wanted = {}, {}
  for i, type, most_of_type in each_type() do
    types[i] = type
    wanted[i] = tonumber(most_of_type)
  end

  if again == '1' then
    local answer = held_by_nonce(types)
    if #answer > 1 then return answer end
  end

  local asked = {'', unpack(types)}
  local settings = call('HMGET', prefix .. 'types', unpack(asked))
  local all_paused = paused(settings[1])
  local open = {}
  poison = tonumber(poison)
  for i, type in ipairs(types) do
    if chores == '1' then
      promote_due(type, t)
      rescue_lost(type, t, poison)
    end
    open[i] = not all_paused and not paused(settings[i + 1])
  end

  -- every type gets an equal share first, then what others left
  local left = tonumber(most)
  local share = math.max(1, math.ceil(left / #types))
  local ids, of_type, got = {}, {}, {}
  for round = 1, 2 do
    for i, type in ipairs(types) do
      local n = math.min(wanted[i], left, round == 1 and share or left)
      if open[i] and n > 0 then
        local popped = call('ZPOPMIN', line(type, WAITING), n)
        if #popped < 2 * n then wanted[i] = 0 else wanted[i] = wanted[i] - n end
        left = left - #popped / 2
        for k = 1, #popped, 2 do
          ids[#ids + 1] = popped[k]
          of_type[#of_type + 1] = i
        end
      end
    end
    if left == 0 or #types == 1 then break end
  end

  if #ids == 0 then
    local due
    for _, type in ipairs(types) do
      local delayed = call('ZRANGE', line(type, DELAYED), 0, 0, 'WITHSCORES')[2]
      local lease = call('ZRANGE', line(type, ACTIVE), 0, 0, 'WITHSCORES')[2]
      if delayed then due = math.min(due or math.huge, tonumber(delayed)) end
      if lease and lease ~= 'inf' then due = math.min(due or math.huge, tonumber(lease) + 1) end
    end
    return {due and math.max(0, due - t) or false}
  end

  local records = call('HMGET', prefix .. 'job', unpack(ids))
  local before = call('HMGET', prefix .. 'run', unpack(ids))
  local answer, run, n = {false}, {}, 0
  local leases, started = {}, {}
  for i = 1, #types do leases[i], started[i] = {}, {} end
  local holder = ' ' .. nonce .. ' ' .. worker .. ' ' .. whole(t) .. ' '
  local first_run = '1' .. holder .. '0 0'
  local lease_end = whole(t + lease_ms)
  for i = 1, #ids do
    local id, record = ids[i], records[i]
    if record then
      local token = first_run
      if before[i] then
        local attempt, failures, rescues = between_attempts(before[i])
        token = whole(attempt + 1) .. holder .. failures .. ' ' .. rescues
      end
      local scored, of = leases[of_type[i]], started[of_type[i]]
      local k = #of + 1
      of[k] = id
      scored[2 * k - 1] = lease_end
      scored[2 * k] = id
      n = n + 1
      run[2 * n - 1] = id
      run[2 * n] = token
      answer[3 * n - 1] = id
      answer[3 * n] = token
      answer[3 * n + 1] = record
    end
  end
  if n > 0 then call('HSET', prefix .. 'run', unpack(run)) end
  for i, type in ipairs(types) do
    if #started[i] > 0 then enter(type, WAITING, ACTIVE, started[i], leases[i]) end
    if chores == '1' and open[i] and call('EXISTS', line(type, WAITING)) == 1 then wake(type) end
  end
  return answer
end
