-- enqueue: store new jobs. A batch sent again under the same name stores nothing and gets the same answer.
-- args: again now events_keep producer batch inbox watch_ms limits
-- each: type priority due record extra
-- due: '' = at once, +MS = in so many ms, MS = at that time
-- extra: '' or w (watch) or -, an idempotency token, and behind a \0 what can be searched for, TERM \n TERM (see terms.lua)
-- limits: '' or JSON {waiting: {type: how many jobs of it may wait or be delayed}, memory: bytes the server may use}
-- returns: {id of the first new job, (position, id of the job that had this token already, or why it was refused)*}, or the
--   id alone
-- refused: -1 = as many of its type wait as may, -2 = the server uses as much memory as it may
-- flags: deny-oom
-- uses: clock lines events
-- moves: none>waiting none>delayed
local ONCE_LIVES_MS = 600000
local TOKEN_LIVES_MS = 86400000

local once = prefix .. 'once:' .. producer
local before = again == '1' and call('GET', once)
if before and string.sub(before, 1, #batch + 1) == batch .. ' ' then
  call('PEXPIRE', once, ONCE_LIVES_MS) -- a write, so that a WAIT behind this call covers the batch
  local answer = {}
  for number in string.gmatch(string.sub(before, #batch + 2), '%-?%d+') do answer[#answer + 1] = tonumber(number) end
  return answer
end

local created = time .. '\t'
local NOTHING = {} -- stands for lists that most batches do without

-- what is there already: tokens, types
local known, tokens, terms, fresh = NOTHING, NOTHING, NOTHING, each_items
local names, seen, last_type = {}, {}, nil
for i, type, _, _, _, extra in each() do
  if #extra > 1 then
    local token, cut = string.sub(extra, 2), string.find(extra, '\0', 2, true)
    if cut then
      if terms == NOTHING then terms = {} end
      token, terms[i] = string.sub(extra, 2, cut - 1), string.sub(extra, cut + 1)
    end
    if token ~= '' then
      if tokens == NOTHING then known, tokens = {}, {} end
      tokens[i] = token
      known[i] = call('GET', prefix .. 'token:' .. token .. ':once') or known[token]
      if known[i] then fresh = fresh - 1 else known[token] = true end
    end
  end
  if type ~= last_type then
    last_type = type
    if not seen[type] then seen[type] = true names[#names + 1] = type end
  end
end
local stored = call('HMGET', prefix .. 'types', unpack(names))
for i, type in ipairs(names) do
  if not stored[i] then
    call('HSET', prefix .. 'types', type, '')
    keep_large(type)
  end
end

local refused = NOTHING
if limits ~= '' then -- jobs are taken in order as long as there is room; a second job of a token shares the fate of the first
  local TYPE_FULL, MEMORY_FULL = -1, -2
  local limit, room = cjson.decode(limits), {}
  refused = {}
  for _, type in ipairs(names) do
    local most = limit.waiting and limit.waiting[type]
    if most then room[type] = most - call('ZCARD', line(type, WAITING)) - call('ZCARD', line(type, DELAYED)) end
  end
  local used = limit.memory and tonumber(string.match(call('INFO', 'memory'), 'used_memory:(%d+)'))
  local memory_full = used and used >= limit.memory and MEMORY_FULL
  for i, type in each() do
    if known[i] == true then
      refused[i] = refused[tokens[i]]
    elseif not known[i] then
      local left = room[type]
      local why = memory_full or (left and left <= 0 and TYPE_FULL)
      if why then
        refused[i], fresh = why, fresh - 1
        if tokens[i] then refused[tokens[i]] = why end
      elseif left then
        room[type] = left - 1
      end
    end
  end
end

local first = call('INCRBY', prefix .. 'seq', fresh) - fresh + 1
local answer, of_token = {first}, NOTHING
local records, stored_count = {ROOM}, 0
local watched, found_by, found_terms = NOTHING, NOTHING, NOTHING
local lines, of, of_type = {}, nil, nil -- by type: ids that wait, ids that are delayed, and both as ZADD takes them
local next_id = first
for i, type, priority, due, record, extra in each() do
  local id = refused[i] or known[i]
  if id == true then id = of_token[tokens[i]] end
  if id then
    answer[#answer + 1] = i
    answer[#answer + 1] = tonumber(id)
  else
    if type ~= of_type then
      of, of_type = lines[type], type
      if not of then
        of = {waiting = 0, delayed = 0}
        lines[type] = of
      end
    end
    local digits = whole(next_id)
    local member = string.char(96 + #digits) .. digits
    records[stored_count + 1], records[stored_count + 2] = member, created .. record
    stored_count = stored_count + 2
    local at = due == '' and 0 or string.sub(due, 1, 1) == '+' and t + string.sub(due, 2) or tonumber(due)
    if at <= t then
      local n = of.waiting
      if n == 0 then
        of.waiting_ids = {ROOM}
        of.waiting_scored = {ROOM}
      end
      of.waiting, of.waiting_ids[n + 1] = n + 1, member
      of.waiting_scored[2 * n + 1], of.waiting_scored[2 * n + 2] = priority, member
    else
      local n = of.delayed
      if n == 0 then of.delayed_ids, of.delayed_scored = {}, {} end
      of.delayed, of.delayed_ids[n + 1] = n + 1, member
      of.delayed_scored[2 * n + 1], of.delayed_scored[2 * n + 2] = whole(at), member
    end
    if string.sub(extra, 1, 1) == 'w' then
      if watched == NOTHING then watched = {} end
      watched[#watched + 1] = member
      watched[#watched + 1] = whole(t + watch_ms) .. ':' .. inbox
    end
    if terms[i] then
      if found_by == NOTHING then found_by, found_terms = {}, {} end
      found_terms[#found_terms + 1] = member
      found_terms[#found_terms + 1] = type .. '\n' .. terms[i] .. '\n'
      for term in string.gmatch(terms[i], '[^\n]+') do
        found_by[#found_by + 1] = 0
        found_by[#found_by + 1] = term .. '\0' .. member
      end
    end
    if tokens[i] then
      if of_token == NOTHING then of_token = {} end
      of_token[tokens[i]] = next_id
    end
    next_id = next_id + 1
  end
end
if stored_count > 0 then call('HSET', prefix .. 'job', unpack(records)) end
if #found_terms > 0 then
  local AT_ONCE = 4000
  call('HSET', prefix .. 'terms', unpack(found_terms))
  for from = 1, #found_by, AT_ONCE do
    call('ZADD', prefix .. 'find', unpack(found_by, from, math.min(from + AT_ONCE - 1, #found_by)))
  end
end
if #watched > 0 then call('HSET', prefix .. 'watch', unpack(watched)) else unwatched = true end
for type, of in pairs(lines) do
  if of.waiting > 0 then enter(type, NONE, WAITING, of.waiting_ids, of.waiting_scored) end
  if of.delayed > 0 then enter(type, NONE, DELAYED, of.delayed_ids, of.delayed_scored) end
  wake(type)
end
for token, id in pairs(of_token) do -- once their jobs are in line, or a script that broke off would leave a token without one
  call('SET', prefix .. 'token:' .. token .. ':once', whole(id), 'PX', TOKEN_LIVES_MS)
end
local text = batch .. ' ' .. whole(first)
for i = 2, #answer do text = text .. ' ' .. whole(answer[i]) end
call('SET', once, text, 'PX', ONCE_LIVES_MS)
-- step: publishing
return #answer == 1 and first or answer
