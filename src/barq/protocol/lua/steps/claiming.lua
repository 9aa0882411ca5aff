-- Claiming: hand waiting jobs out under a lease. Expects t and time; leaves `answer`, with nothing in its second place, the
-- number of its fields, `filled`, and which of `types` are `open`, not paused.
local types, open = {}, {}
local answer, filled = {false, false, ROOM}, 2
for i, type in each_type() do types[i] = type end

if again == '1' then -- what the call got the first time
  local mine = ' ' .. holder .. ' '
  for _, type in ipairs(types) do
    local ids = call('ZRANGE', line(type, ACTIVE), 0, -1)
    for from = 1, #ids, 500 do
      local slice = {unpack(ids, from, math.min(from + 499, #ids))}
      local runs = call('HMGET', prefix .. 'run', unpack(slice))
      local mine_of_slice, groups, group_token, at = {}, 0, nil, filled + 2
      for i, id in ipairs(slice) do
        if runs[i] and string.find(runs[i], mine, 1, true) then
          if runs[i] ~= group_token then
            answer[at + 1], answer[at + 2] = runs[i], 0
            groups, group_token, at = groups + 1, runs[i], at + 2
          end
          answer[at] = answer[at] + 1
          mine_of_slice[#mine_of_slice + 1] = id
        end
      end
      if groups > 0 then
        answer[filled + 1], answer[filled + 2] = type, groups
        answer[at + 1], answer[at + 2] = mine_of_slice, call('HMGET', prefix .. 'job', unpack(mine_of_slice))
        filled = at + 2
      end
    end
  end
end

if filled == 2 then
  local settings = call('HMGET', prefix .. 'types', '', unpack(types))
  local all_paused_until, resumes = paused_until(settings[1], t), nil
  local wanted, popped_of = {}, {}
  for i, type, most_of_type in each_type() do
    local ends = paused_until(settings[i + 1], t)
    open[i] = not all_paused_until and not ends
    if not open[i] then resumes = math.min(resumes or math.huge, math.max(ends or 0, all_paused_until or 0)) end
    wanted[i] = tonumber(most_of_type)
  end

  -- every type gets an equal share first, then what others left
  local left = tonumber(most)
  local share = math.max(1, math.ceil(left / #types))
  for round = 1, 2 do
    for i, type in ipairs(types) do
      local n = math.min(wanted[i], left, round == 1 and share or left)
      if open[i] and n > 0 then
        local key = line(type, WAITING)
        local popped = call('ZRANGE', key, 0, n - 1) -- half of the work of ZPOPMIN, which tells the scores as well
        local got, ids = #popped, popped_of[i]
        if got > 0 then call('ZREMRANGEBYRANK', key, 0, got - 1) end
        if ids then
          for k = 1, got do ids[#ids + 1] = popped[k] end
        else
          popped_of[i] = popped
        end
        wanted[i] = got < n and 0 or wanted[i] - n
        left = left - got
      end
    end
    if left == 0 or #types == 1 then break end
  end

  -- The token is the attempt's number and the nonce of the claim: most run for the first time, and jobs with the same
  -- token are told as a group.
  local held_by = ' ' .. holder .. ' ' .. time .. ' '
  local first_run, lease_end = '1' .. held_by .. '0 0', whole(t + lease_ms)
  for i, type in ipairs(types) do
    local ids = popped_of[i]
    if ids and #ids > 0 then
      local records = call('HMGET', prefix .. 'job', unpack(ids))
      local before = call('HMGET', prefix .. 'run', unpack(ids))
      local leases, run = {ROOM}, {ROOM}
      local k, groups, group_token, at = 1, 0, nil, filled + 2
      while ids[k] do
        if records[k] then
          local token = first_run
          if before[k] then
            local attempt, failures, rescues = between_attempts(before[k])
            token = whole(attempt + 1) .. held_by .. failures .. ' ' .. rescues
          end
          if token ~= group_token then
            answer[at + 1], answer[at + 2] = token, 0
            groups, group_token, at = groups + 1, token, at + 2
          end
          answer[at] = answer[at] + 1
          leases[2 * k - 1] = lease_end
          leases[2 * k] = ids[k]
          run[2 * k - 1] = ids[k]
          run[2 * k] = token
          k = k + 1
        else -- nothing is known of it
          table.remove(ids, k)
          table.remove(records, k)
          table.remove(before, k)
        end
      end
      if groups > 0 then
        call('HSET', prefix .. 'run', unpack(run))
        enter(type, WAITING, ACTIVE, ids, leases)
        answer[filled + 1], answer[filled + 2] = type, groups
        answer[at + 1], answer[at + 2] = ids, records
        filled = at + 2
      end
    end
  end

  if filled == 2 then -- in how many ms something of these types is due: a delayed job, or a lease that runs out
    local due = resumes ~= math.huge and resumes or nil -- or a pause ends
    for _, type in ipairs(types) do
      local delayed = call('ZRANGE', line(type, DELAYED), 0, 0, 'WITHSCORES')[2]
      local lease = call('ZRANGE', line(type, ACTIVE), 0, 0, 'WITHSCORES')[2]
      if delayed then due = math.min(due or math.huge, tonumber(delayed)) end
      if lease and lease ~= 'inf' then due = math.min(due or math.huge, tonumber(lease) + 1) end
    end
    answer[1] = due and math.max(0, due - t) or false
  end
end
