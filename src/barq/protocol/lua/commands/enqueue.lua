-- enqueue: store new jobs. A batch sent again under the same name stores nothing and gets the same answer.
-- args: again now events_keep producer batch watcher limits lot_count
-- each_lot: size type priority due extra
-- each_job: record
-- lot: jobs that follow each other and differ in nothing but their records; one with a token or terms is a lot of its own
-- watcher: MS:INBOX, for how long events of jobs with w are put where
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
local known, tokens, terms, fresh = NOTHING, NOTHING, NOTHING, each_job_items
local names, seen, last_type = nil, nil, nil -- tables made with what they hold at first: growing costs more than making
for lot, _, type, _, _, extra in each_lot() do
  if #extra > 1 then
    local token, cut = string.sub(extra, 2), string.find(extra, '\0', 2, true)
    if cut then
      if terms == NOTHING then terms = {} end
      token, terms[lot] = string.sub(extra, 2, cut - 1), string.sub(extra, cut + 1)
    end
    if token ~= '' then
      if tokens == NOTHING then known, tokens = {}, {} end
      tokens[lot] = token
      known[lot] = call('GET', prefix .. 'token:' .. token .. ':once') or known[token]
      if known[lot] then fresh = fresh - 1 else known[token] = true end
    end
  end
  if type ~= last_type then
    last_type = type
    if not names then
      names, seen = {type}, {[type] = true}
    elseif not seen[type] then
      seen[type] = true
      names[#names + 1] = type
    end
  end
end
local stored = call('HMGET', prefix .. 'types', unpack(names))
for i, type in ipairs(names) do
  if not stored[i] then
    call('HSET', prefix .. 'types', type, '')
    keep_large(type)
  end
end

local taken, refused = NOTHING, NOTHING -- how many of a lot are taken where not all are, and why not
if limits ~= '' then -- jobs are taken in order as long as there is room; a second job of a token shares the fate of the first
  local TYPE_FULL, MEMORY_FULL = -1, -2
  local limit, room = cjson.decode(limits), {}
  taken, refused = {}, {}
  for _, type in ipairs(names) do
    local most = limit.waiting and limit.waiting[type]
    if most then room[type] = most - call('ZCARD', line(type, WAITING)) - call('ZCARD', line(type, DELAYED)) end
  end
  local used = limit.memory and tonumber(string.match(call('INFO', 'memory'), 'used_memory:(%d+)'))
  local memory_full = used and used >= limit.memory
  for lot, size, type in each_lot() do
    local n = tonumber(size)
    local most = memory_full and 0 or room[type] and math.max(0, room[type]) or n
    if known[lot] == true then
      taken[lot], refused[lot] = 0, refused[tokens[lot]]
    elseif not known[lot] then
      if most < n then
        taken[lot], refused[lot], fresh = most, memory_full and MEMORY_FULL or TYPE_FULL, fresh - (n - most)
        if tokens[lot] then refused[tokens[lot]] = refused[lot] end
      end
      if room[type] then room[type] = room[type] - math.min(n, most) end
    end
  end
end

local first = call('INCRBY', prefix .. 'seq', fresh) - fresh + 1
local answer, of_token = nil, NOTHING
local records, stored_count = {ROOM}, 0
local watched, found_by, found_terms = NOTHING, NOTHING, NOTHING
local lines, of, of_type = nil, nil, nil -- by type: ids that wait, ids that are delayed, and both as ZADD takes them
local sub, char = string.sub, string.char
local next_id, position = first, 1
local beginning, digit -- of the last id: nine of ten that follow differ in the digit alone
for lot, size, type, priority, due, extra in each_lot() do
  local n = tonumber(size)
  local stores = n
  if refused[lot] then
    stores = taken[lot]
    answer = answer or {first}
    for at = position + stores, position + n - 1 do
      answer[#answer + 1] = at
      answer[#answer + 1] = refused[lot]
    end
  elseif known[lot] then
    stores = 0
    answer = answer or {first}
    answer[#answer + 1] = position
    answer[#answer + 1] = tonumber(known[lot] == true and of_token[tokens[lot]] or known[lot])
  end
  if stores > 0 then
    if type ~= of_type then
      of, of_type = lines and lines[type], type
      if not of then
        of = {waiting = false, waiting_scored = false, delayed = false, delayed_scored = false}
        if lines then lines[type] = of else lines = {[type] = of} end
      end
    end
    local score, ids, scored = priority, of.waiting, of.waiting_scored
    local at = due == '' and 0 or sub(due, 1, 1) == '+' and t + sub(due, 2) or tonumber(due)
    if at > t then
      score, ids, scored = whole(at), of.delayed, of.delayed_scored
      if not ids then
        ids, scored = {}, {}
        of.delayed, of.delayed_scored = ids, scored
      end
    elseif not ids then
      ids, scored = {ROOM}, {ROOM}
      of.waiting, of.waiting_scored = ids, scored
    end
    local before, last = #ids, position + stores - 1
    local count = before
    for _, record in each_job(position, last) do
      local member
      if digit and digit < 9 then
        digit = digit + 1
        member = beginning .. sub('0123456789', digit + 1, digit + 1)
      else
        member = whole(next_id)
        member = char(96 + #member) .. member
        if stores > 1 then beginning, digit = sub(member, 1, -2), next_id % 10 end
      end
      records[stored_count + 1], records[stored_count + 2] = member, created .. record
      stored_count, count, next_id = stored_count + 2, count + 1, next_id + 1
      ids[count] = member
      scored[2 * count - 1], scored[2 * count] = score, member
    end
    if sub(extra, 1, 1) == 'w' then
      if watched == NOTHING then watched = {} end
      local ms, inbox = string.match(watcher, '^(%d+)(:.*)$')
      local until_ms_and_inbox = whole(t + ms) .. inbox
      for at = before + 1, count do
        watched[#watched + 1] = ids[at]
        watched[#watched + 1] = until_ms_and_inbox
      end
    end
    if terms[lot] then
      local member = ids[count]
      if found_by == NOTHING then found_by, found_terms = {}, {} end
      found_terms[#found_terms + 1] = member
      found_terms[#found_terms + 1] = type .. '\n' .. terms[lot] .. '\n'
      for term in string.gmatch(terms[lot], '[^\n]+') do
        found_by[#found_by + 1] = 0
        found_by[#found_by + 1] = term .. '\0' .. member
      end
    end
    if tokens[lot] then
      if of_token == NOTHING then of_token = {} end
      of_token[tokens[lot]] = next_id - 1
    end
  end
  position = position + n
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
for type, of in pairs(lines or NOTHING) do
  if of.waiting then enter(type, NONE, WAITING, of.waiting, of.waiting_scored) end
  if of.delayed then enter(type, NONE, DELAYED, of.delayed, of.delayed_scored) end
  wake(type)
end
for token, id in pairs(of_token) do -- once their jobs are in line, or a script that broke off would leave a token without one
  call('SET', prefix .. 'token:' .. token .. ':once', whole(id), 'PX', TOKEN_LIVES_MS)
end
local text = batch .. ' ' .. whole(first)
for i = 2, answer and #answer or 0 do text = text .. ' ' .. whole(answer[i]) end
call('SET', once, text, 'PX', ONCE_LIVES_MS)
-- step: publishing
return answer or first
