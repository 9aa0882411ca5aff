-- Settling: how attempts ended. Expects t and time; leaves `stale`, the ids that this holder no longer held, `lots`, the jobs
-- of one type that ended in one way, and `tried`, id and ending of those that are tried again.
local stale, lots, tried = {}, {}, nil
if group_count ~= '0' then
  local ids = {each_id()}
  local run = call('HMGET', prefix .. 'run', unpack(ids))
  local kept, ended = nil, {ROOM}
  local k, last, bodies_told = 0, 0, 0

  for _, type, token, kind, retry_ms, size, group_bodies in each_group() do
    local head, score, kept_as = time .. ' ' .. token .. '\n', time, nil
    if kind == 'release' or retry_ms ~= '' then -- its counts are kept; a park comes with a retry_ms that is none
      local attempt, failures, rescues = between_attempts(token)
      if kind == 'release' then
        head, score, kept_as = nil, nil, attempt .. ' ' .. failures .. ' ' .. rescues
      elseif kind == 'park' then
        kept_as = attempt .. ' ' .. failures .. ' ' .. rescues
      else
        kind, score, kept_as = 'retry', whole(t + retry_ms), attempt .. ' ' .. whole(failures + 1) .. ' ' .. rescues
      end
    elseif kind == 'discard' then
      head, score = nil, nil
    end
    local lot = lots[kind .. ':' .. type]
    if not lot then
      lot = {type = type, kind = kind, ids = {ROOM}, bodies = {ROOM}, scored = {ROOM}}
      lots[kind .. ':' .. type] = lot
      lots[#lots + 1] = lot
    end
    local lot_ids, bodies, scored = lot.ids, lot.bodies, lot.scored
    local n, first = #lot_ids, last + 1
    last = last + size
    -- one body is that of all of a group: most handlers return nothing
    local own_bodies, at, body = group_bodies ~= '1', bodies_told + 1, each_body(bodies_told + 1)
    local ending = head and head .. body
    bodies_told = bodies_told + group_bodies
    for i = first, last do
      local id = ids[i]
      if own_bodies then
        body, at = each_body(at), at + 1
        ending = head and head .. body
      end
      local held = run[i] == token
      if not held then
        -- After a lost answer: was it this very call that settled the job? What a cancel or a last rescue writes has the
        -- holder's token as well, and a rescued job its attempt: so all of it must be as this call left it.
        local settled_before = false
        if again == '1' and kind == 'release' then
          settled_before = run[i] == kept_as
        elseif again == '1' then
          local before = call('HGET', prefix .. 'end', id)
          if before and string.match(before, '^%d+ (.*)$') == token .. '\n' .. body then
            settled_before = not call('ZSCORE', line(type, CANCELLED), id)
          else
            if kind == 'fail' or kind == 'retry' then
              -- the next attempt may have ended since: a failure more, and no rescue, is this one
              local _, failures, rescues = between_attempts(token)
              local last = run[i] or (before and string.match(before, '^%d+ ([^\n]*)'))
              local _, failures_now, rescues_now = between_attempts(last)
              settled_before = tonumber(failures_now) > tonumber(failures) and rescues_now == rescues
            end
            settled_before = settled_before or call('HEXISTS', prefix .. 'job', id) == 0
          end
        end
        if not settled_before then stale[#stale + 1] = id end
      else
        n = n + 1
        lot_ids[n] = id
        bodies[n] = body
        if score then
          scored[2 * n - 1] = score
          scored[2 * n] = id
        end
        if ending then
          ended[k + 1] = id
          ended[k + 2] = ending
          k = k + 2
        end
        if kept_as then
          kept = kept or {}
          kept[#kept + 1] = id
          kept[#kept + 1] = kept_as
          if kind == 'retry' then
            tried = tried or {}
            tried[#tried + 1] = id
            tried[#tried + 1] = head .. body
          end
        end
      end
    end
  end

  if kept then call('HSET', prefix .. 'run', unpack(kept)) end
  if k > 0 then call('HSET', prefix .. 'end', unpack(ended)) end
  for _, lot in ipairs(lots) do
    local type, kind, settled = lot.type, lot.kind, lot.ids
    if #settled == 0 then -- all stale
    elseif kind == 'complete' then
      call('HDEL', prefix .. 'run', unpack(settled))
      move(type, ACTIVE, COMPLETED, settled, lot.scored, lot.bodies)
    elseif kind == 'discard' then
      move(type, ACTIVE, NONE, settled, nil, lot.bodies)
      forget(settled)
    elseif kind == 'fail' or kind == 'retry' or kind == 'park' then
      if kind == 'fail' then
        call('HDEL', prefix .. 'run', unpack(settled))
        move(type, ACTIVE, FAILED, settled, lot.scored, lot.bodies)
      elseif kind == 'park' then
        move(type, ACTIVE, BLOCKED, settled, lot.scored, lot.bodies)
      else
        move(type, ACTIVE, DELAYED, settled, lot.scored, lot.bodies)
        wake(type)
      end
      local erred_ids, errors = settled, lot.bodies
      -- step: erring
    else
      local scored, known = scored_by_priority(settled)
      if #known > 0 then move(type, ACTIVE, WAITING, known, scored) end
      wake(type)
    end
  end
end
