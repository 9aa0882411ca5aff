-- A line is the sorted set of one type's jobs in one state.
local function line(type, state) return prefix .. type .. ':' .. state end

-- an idle worker blocks on this marker; one marker wakes one worker
local function wake(type) call('ZADD', prefix .. type .. ':wake', 0, '0') end

-- a record is CREATED_MS \t PRIORITY \t TYPE \t OPTIONS \n PAYLOAD
local function header(record) return string.match(record, '^%d+\t(%-?%d+)\t([^\t]*)\t') end

-- between attempts `run` holds ATTEMPT FAILURES RESCUES, while active ATTEMPT NONCE WORKER STARTED_MS FAILURES RESCUES
local function between_attempts(run)
  if not run then return '0', '0', '0' end
  local attempt, failures, rescues = string.match(run, '^(%d+) (%d+) (%d+)$')
  if attempt then return attempt, failures, rescues end
  return string.match(run, '^(%d+) %S+ %S+ %d+ (%d+) (%d+)$')
end

-- {type -> list} without a lookup twice per job
local function bucket(buckets, type)
  local list = buckets[type]
  if not list then list = {} buckets[type] = list end
  return list
end

-- ids with the priority of each, as ZADD takes them; ids without a record are left out
local function scored_by_priority(ids)
  local records = call('HMGET', prefix .. 'job', unpack(ids))
  local pairs_, known = {}, {}
  for i, id in ipairs(ids) do
    if records[i] then
      pairs_[#pairs_ + 1] = (header(records[i]))
      pairs_[#pairs_ + 1] = id
      known[#known + 1] = id
    end
  end
  return pairs_, known
end

-- one long member keeps a hash a table and a sorted set a skip list: as small ones they are scanned for each member
local function keep_large(type)
  local long = string.rep('_', 65)
  call('HSET', prefix .. 'run', long, '')
  call('HSET', prefix .. 'end', long, '')
  call('ZADD', line(type, ACTIVE), '+inf', long)
end
