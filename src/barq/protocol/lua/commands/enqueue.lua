-- enqueue: store new jobs. A batch sent again under the same name stores nothing and gets the same answer.
-- args: again now events_keep producer batch inbox watch_ms
-- each: type priority due record extra
-- due: '' = at once, +MS = in so many ms, MS = at that time. extra: '' or w (watch) or - and an idempotency token
-- returns: {id of the first new job, (position, id of the job that had this token already)*}
-- flags: deny-oom
-- uses: clock lines events
-- moves: none>waiting none>delayed
local ONCE_LIVES_MS = 600000
local TOKEN_LIVES_MS = 86400000

local once = prefix .. 'once:' .. producer
local before = call('GET', once)
if before and string.sub(before, 1, #batch + 1) == batch .. ' ' then
  local answer = {}
  for number in string.gmatch(string.sub(before, #batch + 2), '%d+') do answer[#answer + 1] = tonumber(number) end
  return answer
end

local t = time_ms(now)
local created = whole(t) .. '\t'

-- what is there already: tokens, types
local known, tokens, fresh = {}, {}, 0
local names, settings = {}, {}
for i, type, _, _, _, extra in each() do
  if #extra > 1 then
    local token = string.sub(extra, 2)
    tokens[i] = token
    known[i] = call('GET', prefix .. 'token:' .. token .. ':once') or known[token]
    if not known[i] then known[token] = true end
  end
  if not known[i] then fresh = fresh + 1 end
  if settings[type] == nil then settings[type] = false names[#names + 1] = type end
end
local stored = call('HMGET', prefix .. 'types', unpack(names))
for i, type in ipairs(names) do
  if not stored[i] then
    -- one long member keeps a hash a table and a sorted set a skip list: as small ones they are scanned for each member
    local long = string.rep('_', 65)
    call('HSET', prefix .. 'types', type, '')
    call('HSET', prefix .. 'run', long, '')
    call('ZADD', line(type, ACTIVE), '+inf', long)
  end
end

local first = call('INCRBY', prefix .. 'seq', fresh) - fresh + 1
local answer, of_token = {first}, {}
local records, waiting, delayed, waiting_ids, delayed_ids, watched = {}, {}, {}, {}, {}, {}
local next_id = first
for i, type, priority, due, record, extra in each() do
  local id = known[i]
  if id == true then id = of_token[tokens[i]] end
  if id then
    answer[#answer + 1] = i
    answer[#answer + 1] = tonumber(id)
  else
    local digits = whole(next_id)
    local member = string.char(96 + #digits) .. digits
    records[#records + 1] = member
    records[#records + 1] = created .. record
    local at = due == '' and 0 or string.sub(due, 1, 1) == '+' and t + string.sub(due, 2) or tonumber(due)
    if at <= t then
      local scored, ids = bucket(waiting, type), bucket(waiting_ids, type)
      scored[#scored + 1] = priority
      scored[#scored + 1] = member
      ids[#ids + 1] = member
    else
      local scored, ids = bucket(delayed, type), bucket(delayed_ids, type)
      scored[#scored + 1] = whole(at)
      scored[#scored + 1] = member
      ids[#ids + 1] = member
    end
    if string.sub(extra, 1, 1) == 'w' then
      watched[#watched + 1] = member
      watched[#watched + 1] = whole(t + watch_ms) .. ':' .. inbox
    end
    if tokens[i] then
      of_token[tokens[i]] = next_id
      call('SET', prefix .. 'token:' .. tokens[i] .. ':once', digits, 'PX', TOKEN_LIVES_MS)
    end
    next_id = next_id + 1
  end
end
if #records > 0 then call('HSET', prefix .. 'job', unpack(records)) end
if #watched > 0 then call('HSET', prefix .. 'watch', unpack(watched)) end
for _, type in ipairs(names) do
  if waiting[type] then enter(type, NONE, WAITING, waiting_ids[type], waiting[type]) end
  if delayed[type] then enter(type, NONE, DELAYED, delayed_ids[type], delayed[type]) end
  wake(type)
end
local text = {}
for i, number in ipairs(answer) do text[i] = whole(number) end
call('SET', once, batch .. ' ' .. table.concat(text, ' '), 'PX', ONCE_LIVES_MS)
publish(t, events_keep)
return answer
