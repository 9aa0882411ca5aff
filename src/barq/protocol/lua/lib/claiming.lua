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

-- under a lease, with a token: the attempt's number and the nonce of the claim
local function hand_out(answer, type, ids, holder, lease_end)
  local records = call('HMGET', prefix .. 'job', unpack(ids))
  local before = call('HMGET', prefix .. 'run', unpack(ids))
  local first_run = '1' .. holder .. '0 0'
  local started, leases, run, n, out = {}, {}, {}, 0, #answer
  for i, id in ipairs(ids) do
    if records[i] then
      local token = first_run
      if before[i] then
        local attempt, failures, rescues = between_attempts(before[i])
        token = whole(attempt + 1) .. holder .. failures .. ' ' .. rescues
      end
      n = n + 1
      started[n] = id
      leases[2 * n - 1] = lease_end
      leases[2 * n] = id
      run[2 * n - 1] = id
      run[2 * n] = token
      answer[out + 1] = id
      answer[out + 2] = token
      answer[out + 3] = records[i]
      out = out + 3
    end
  end
  if n == 0 then return end
  call('HSET', prefix .. 'run', unpack(run))
  enter(type, WAITING, ACTIVE, started, leases)
end

-- in how many ms something of these types is due: a delayed job, or a lease that runs out
local function next_due(types, t)
  local due
  for _, type in ipairs(types) do
    local delayed = call('ZRANGE', line(type, DELAYED), 0, 0, 'WITHSCORES')[2]
    local lease = call('ZRANGE', line(type, ACTIVE), 0, 0, 'WITHSCORES')[2]
    if delayed then due = math.min(due or math.huge, tonumber(delayed)) end
    if lease and lease ~= 'inf' then due = math.min(due or math.huge, tonumber(lease) + 1) end
  end
  return due and math.max(0, due - t) or false
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
  local popped_of = {}
  for round = 1, 2 do
    for i, type in ipairs(types) do
      local n = math.min(wanted[i], left, round == 1 and share or left)
      if open[i] and n > 0 then
        local popped = call('ZPOPMIN', line(type, WAITING), n)
        local ids = popped_of[i] or {}
        local had = #ids
        for k = 1, #popped, 2 do ids[had + (k + 1) / 2] = popped[k] end
        popped_of[i] = ids
        if #popped < 2 * n then wanted[i] = 0 else wanted[i] = wanted[i] - n end
        left = left - #popped / 2
      end
    end
    if left == 0 or #types == 1 then break end
  end

  local answer = {false}
  local holder = ' ' .. nonce .. ' ' .. worker .. ' ' .. whole(t) .. ' '
  local lease_end = whole(t + lease_ms)
  for i, type in ipairs(types) do
    local ids = popped_of[i]
    if ids and #ids > 0 then hand_out(answer, type, ids, holder, lease_end) end
    if chores == '1' and open[i] and call('EXISTS', line(type, WAITING)) == 1 then wake(type) end
  end
  if #answer == 1 then answer[1] = next_due(types, t) end
  return answer
end
