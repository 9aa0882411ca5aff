-- find: the jobs that fit in one part of all there is, newest first, as far as one call may look.
-- source: lines (each_line, merged), terms (the index from `low` to `high`), ids (those given), span (ids from id_most to id_least)
-- after: the place behind which it goes on, '' = the beginning: (score id) in lines, a member of the index, a number of ids, an id
-- driver: which of the words it is of whose jobs this is a part, 0 = of none. A word alone is looked for in several parts:
-- as an id, in the index, in the names of types; a job that fits in one of them is left out of those behind.
-- wants: jobs, ids, count
-- states: of what are no lines ' STATE STATE ', '' = all. types: =NAME or ^BEGINNING, each with \n behind; '' = all
-- the bounds of priority, age and ended (ms ago) may be '' each
-- id_least, id_most: no others; from sure_least to sure_most the age fits
-- args: now source low high after driver wants most looks bytes states types priority_least priority_most age_least age_most ended_least ended_most id_least id_most sure_least sure_most word_count line_count
-- each_word: field value kind
-- each_line: of_type of_state
-- each_id: id
-- kind: exact, prefix; field: '' = any
-- returns: {1 when there may be more, how many it looked at, how many fit, the last place, ids or (place, id, state, score, record, run, end, note)*}
-- flags: no-writes
-- uses: clock lines look rank merged
local AT_ONCE = 250
local READ_AT_ONCE = 256 * 1024 -- bytes of records
local PASSED = 0.1 -- of looking at a job is what it costs to pass over one
local CLOCKS_DIFFER_MS = 10000
most, looks, bytes, driver = tonumber(most), tonumber(looks), tonumber(bytes), tonumber(driver)
id_least, id_most, sure_least, sure_most = tonumber(id_least), tonumber(id_most), tonumber(sure_least), tonumber(sure_most)

local function bound(text, otherwise) return text == '' and otherwise or tonumber(text) end
local least_priority, most_priority = bound(priority_least, -math.huge), bound(priority_most, math.huge)
local by_priority = priority_least ~= '' or priority_most ~= ''
local by_age = age_least ~= '' or age_most ~= ''
local first_created, last_created = t - bound(age_most, math.huge), t - bound(age_least, -math.huge)
local by_end = ended_least ~= '' or ended_most ~= ''
local first_ended, last_ended = t - bound(ended_most, math.huge), t - bound(ended_least, -math.huge)
local ENDED = {[COMPLETED] = true, [FAILED] = true, [CANCELLED] = true}

local words, wanted_states, wanted_types = {}, {}, {}
for i, field, value, kind in each_word() do words[i] = {field, value, kind == 'prefix'} end
for _, one in ipairs(STATES) do
  if states == '' or string.find(states, ' ' .. one .. ' ', 1, true) then wanted_states[#wanted_states + 1] = one end
end
for how, name in string.gmatch(types, '([=^])([^\n]*)\n') do wanted_types[#wanted_types + 1] = {how, name} end

-- the first term of a job that fits a word
local function fitting_term(terms, word)
  local field, value, prefixed = word[1], word[2], word[3]
  if not terms then return nil end
  if not prefixed and field ~= '' then
    local term = value .. '\0' .. field
    return string.find(terms, '\n' .. term .. '\n', 1, true) and term
  end
  for found, of in string.gmatch(terms, '\n([^\n%z]+)%z([^\n]+)') do
    if (field == '' or of == field) and (found == value or (prefixed and string.sub(found, 1, #value) == value)) then
      return found .. '\0' .. of
    end
  end
end

-- a word without a field is that of an id or of a type's name as well
local function names(id, of_type, word)
  if word[1] ~= '' then return false end
  if string.sub(id, 2) == word[2] then return true end
  local name = string.lower(of_type)
  return name == word[2] or (word[3] and string.sub(name, 1, #word[2]) == word[2])
end

local function holds_words(id, of_type, terms)
  for _, word in ipairs(words) do
    if not fitting_term(terms, word) and not names(id, of_type, word) then return false end
  end
  return true
end

-- of several terms of a job that fit the driver only the first one that it has stands for it
local function told_elsewhere(id, term, terms)
  local word = words[driver]
  if not word or source == 'ids' then return false end
  if word[1] == '' and string.sub(id, 2) == word[2] then return true end
  local first = fitting_term(terms, word)
  if source == 'line' then return first end
  return first ~= term
end

local function of_wanted_type(of_type)
  if #wanted_types == 0 then return true end
  for _, one in ipairs(wanted_types) do
    if one[1] == '=' and of_type == one[2] or one[1] == '^' and string.sub(of_type, 1, #one[2]) == one[2] then return true end
  end
  return false
end

local function state_of(id, of_type)
  for _, one in ipairs(wanted_states) do
    local score = call('ZSCORE', line(of_type, one), id)
    if score then return one, score end
  end
end

-- the scores between which a job of a line can fit: a job has ended no earlier than it was made
local function bounds_of(of_state)
  if of_state == WAITING then return least_priority, most_priority end
  if ENDED[of_state] then return math.max(first_ended, first_created - CLOCKS_DIFFER_MS), last_ended end
  return -math.huge, math.huge
end

-- ---- whether jobs fit
local looked, told, more, read = 0, 0, 0, 0

local function in_time(created) return created >= first_created and created <= last_created end
local function in_order(priority) return priority >= least_priority and priority <= most_priority end

local function fits_by_record(id, record, in_state, score)
  if not record then return false end
  local created, priority = string.match(record, '^(%d+)\t(%-?%d+)\t')
  return in_order(tonumber(in_state == WAITING and score or priority)) and in_time(tonumber(created))
end

local function surely_in_time(id)
  if not by_age then return true end
  local number = tonumber((string.sub(id, 2)))
  return number >= sure_least and number <= sure_most
end

local function fits_by_words(id, of_type, in_state, term, terms)
  if in_state == COMPLETED and terms then
    terms = string.match(terms, '^(.-\n)\n') or terms -- what it failed with before is not its error any more
  end
  return not told_elsewhere(id, term, terms) and holds_words(id, of_type, terms)
end

-- what fits of a stretch of a line; what is counted needs no place
local stretch = 8
local function sift(one, ids, scores)
  looked = looked + #ids
  local kept_ids, kept_scores, size = {}, {}, 0
  local by_record = by_priority and one.state ~= WAITING
  for _, id in ipairs(ids) do by_record = by_record or not surely_in_time(id) end
  local stored = #words > 0 and #ids > 0 and call('HMGET', prefix .. 'terms', unpack(ids))
  local records = by_record and #ids > 0 and call('HMGET', prefix .. 'job', unpack(ids))
  for i, id in ipairs(ids) do
    local record, score = records and records[i], scores[i]
    if record then size = size + #record end
    if (not stored or fits_by_words(id, one.type, one.state, nil, stored[i]))
      and (not records or fits_by_record(id, record, one.state, score)) then
      kept_ids[#kept_ids + 1], kept_scores[#kept_scores + 1] = id, score
    end
  end
  read = read + size
  stretch = size > READ_AT_ONCE and math.max(1, math.floor(stretch / 2)) or math.min(AT_ONCE, stretch * 2)
  if wants ~= 'count' then return kept_ids, kept_scores end
  told = told + #kept_ids
  return {}, {}
end

local function fits(job, terms)
  local id = job.id
  local number = tonumber((string.sub(id, 2)))
  if not number or number < id_least or number > id_most then
    looked = looked + PASSED
    return false
  end
  job.type = terms and string.match(terms, '^[^\n]*')
  job.record = not job.type and call('HGET', prefix .. 'job', id)
  if job.record then job.type = select(2, header(job.record)) end
  looked = looked + (job.type and 1 or PASSED)
  if job.type and of_wanted_type(job.type) then job.state, job.score = state_of(id, job.type) end
  if not job.state or not fits_by_words(id, job.type, job.state, job.term, terms) then return false end
  local score = tonumber(job.score)
  if by_end and not (ENDED[job.state] and score >= first_ended and score <= last_ended) then return false end
  if by_priority and job.state == WAITING and not in_order(score) then return false end
  if surely_in_time(id) and (not by_priority or job.state == WAITING) then return true end
  job.record = job.record or call('HGET', prefix .. 'job', id)
  read = read + (job.record and #job.record or 0)
  return fits_by_record(id, job.record, job.state, score)
end

-- ---- a slice of the source behind the last place: of each job its id, its place, and what the source says of it
local given, lines = {}, nil
for i, id in each_id() do given[i] = id end

-- the scores between which a job of a line can fit: a job has ended no earlier than it was made
local function bounds_of(of_state)
  if of_state == WAITING then return least_priority, most_priority end
  if ENDED[of_state] then return math.max(first_ended, first_created - CLOCKS_DIFFER_MS), last_ended end
  return -math.huge, math.huge
end

local SLICES = {}

function SLICES.ids(jobs)
  for at = tonumber(after == '' and 0 or after) + 1, math.min(#given, (after == '' and 0 or after) + AT_ONCE) do
    jobs[#jobs + 1] = {id = given[at], place = whole(at)}
  end
end

function SLICES.span(jobs)
  local from = after == '' and id_most or tonumber(after) - 1
  for number = from, math.max(from - AT_ONCE + 1, id_least), -1 do
    jobs[#jobs + 1] = {id = member(number), place = whole(number)}
  end
end

function SLICES.terms(jobs)
  local top = after == '' and high or '(' .. after
  for i, found in ipairs(call('ZREVRANGEBYLEX', prefix .. 'find', top, low, 'LIMIT', 0, AT_ONCE)) do
    local term, id = string.match(found, '^(.*)%z(.-)$')
    jobs[i] = {id = id, place = found, term = term}
  end
end

-- one job, or one that was passed over
function SLICES.lines(jobs)
  if not lines then
    lines = {}
    for i, of_type, of_state in each_line() do lines[i] = open_line(of_type, of_state, after, bounds_of(of_state)) end
  end
  local enough = wants == 'jobs' and most - told + 1 or AT_ONCE
  local length = math.min(stretch, math.max(8, math.ceil(enough / #lines)))
  local one, passed = highest(lines, length, id_least, id_most, sift)
  looked = looked + passed * PASSED
  if not one then return end
  local id, score = one.ids[one.at], one.scores[one.at]
  one.at = one.at + 1
  jobs[1] = {id = id, place = score .. ' ' .. id, score = score, type = one.type, state = one.state, passed = id == one.passed}
end

local answer = {0, 0, 0, after}
while more == 0 do
  local jobs = {}
  SLICES[source](jobs)
  if #jobs == 0 then break end
  local stored = {}
  if source ~= 'lines' then
    local ids = {}
    for i, job in ipairs(jobs) do ids[i] = job.id end
    stored = call('HMGET', prefix .. 'terms', unpack(ids))
  end
  for i, job in ipairs(jobs) do
    local fitting = not job.passed and (source == 'lines' or fits(job, stored[i]))
    if fitting and wants == 'jobs' and not job.record then
      job.record = call('HGET', prefix .. 'job', job.id)
      fitting = job.record
    end
    if fitting and told == most then
      more = 1
      break
    end
    if fitting then
      told = told + 1
      if wants == 'jobs' then
        answer[#answer + 1] = job.place
        describe(answer, job.id, job.state, job.score, job.record)
        read = read + #job.record + #(answer[#answer - 1] or '')
      elseif wants == 'ids' then
        answer[#answer + 1] = job.id
      end
    end
    answer[4] = job.place
    if read > bytes or looked >= looks then
      more = 1
      break
    end
  end
  after = answer[4]
end
answer[1], answer[2], answer[3] = more, math.ceil(looked), told
return answer
