-- The search index: `find` holds WORD \0 FIELD \0 ID of all terms of all jobs, so that a range of it is the jobs of a word, or
-- of all words with one beginning, by id. `terms` remembers those of a job, so that they go with it:
-- TYPE \n (TERM \n)* of its title and fields, then, once it has failed, \n (TERM \n)* of its last error.
local AT_ONCE = 4000

local function in_parts(command, key, list)
  for from = 1, #list, AT_ONCE do call(command, key, unpack(list, from, math.min(from + AT_ONCE - 1, #list))) end
end

local function members(out, terms, id, scored)
  for term in string.gmatch(terms, '\n([^\n]+)') do
    if scored then out[#out + 1] = 0 end
    out[#out + 1] = term .. '\0' .. id
  end
end

-- what an error has brought into the index goes, as the job has no error any more
local function forget_error(id)
  local terms = call('HGET', prefix .. 'terms', id)
  local asked, failed = string.match(terms or '', '^(.-\n)(\n.*)$')
  if not asked then return end
  local gone = {}
  members(gone, failed, id)
  in_parts('ZREM', prefix .. 'find', gone)
  if string.find(asked, '%z') then
    call('HSET', prefix .. 'terms', id, asked)
  else
    call('HDEL', prefix .. 'terms', id)
  end
end

-- a job's searchable fields have become others; `fresh` is TERM \n TERM with those of its title
local function find_by(id, type, fresh)
  local stored = call('HGET', prefix .. 'terms', id)
  local asked, failed = string.match(stored or '', '^(.-\n)(\n.*)$')
  local before = asked or stored
  local now = type .. '\n' .. (fresh ~= '' and fresh .. '\n' or '')
  if before == now or (not before and fresh == '') then return end
  local gone, new = {}, {}
  if before then members(gone, before, id) end
  members(new, now, id, true)
  in_parts('ZREM', prefix .. 'find', gone)
  in_parts('ZADD', prefix .. 'find', new)
  if fresh == '' and not failed then
    call('HDEL', prefix .. 'terms', id)
  else
    call('HSET', prefix .. 'terms', id, now .. (failed or ''))
  end
end
