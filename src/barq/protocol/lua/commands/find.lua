-- find: the jobs that fit in one part of all there is, newest first, as far as one call may look.
-- source: line (that of `type` and `state`), terms (the index from `low` to `high`), ids (those given)
-- after: the place behind which it goes on, '' = the beginning: (score id) in a line, a member of the index, a number of ids
-- driver: which of the words it is of whose jobs this is a part, 0 = of none. A word alone is looked for in several parts:
-- as an id, in the index, in the names of types; a job that fits in one of them is left out of those behind.
-- wants: jobs, ids, count
-- states: of terms and ids ' STATE STATE ', '' = all. types: =NAME or ^BEGINNING, each with \n behind; '' = all
-- the bounds of priority, age and ended (ms ago) may be '' each
-- args: now source type state low high after driver wants most looks bytes states types priority_least priority_most age_least age_most ended_least ended_most id_most word_count
-- each_word: field value kind
-- each_id: id
-- kind: exact, prefix; field: '' = any
-- returns: {1 when there may be more, how many it looked at, how many fit, the last place, ids or (place, id, state, score, record, run, end, note)*}
-- flags: no-writes
-- uses: clock lines look rank
local AT_ONCE = 250
local t = time_ms(now)
most, looks, bytes, driver, id_most = tonumber(most), tonumber(looks), tonumber(bytes), tonumber(driver), tonumber(id_most)

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

-- ---- a slice of the source behind the last place: lists of ids, scores (of lines), terms (of the index) and places
local given, rank = {}, nil
for i, id in each_id() do given[i] = id end

local function slice(most_of_it)
  local ids, scores, terms, places = {}, {}, {}, {}
  if source == 'ids' then
    for at = tonumber(after == '' and 0 or after) + 1, math.min(#given, (after == '' and 0 or after) + most_of_it) do
      ids[#ids + 1], places[#places + 1] = given[at], whole(at)
    end
  elseif source == 'terms' then
    local top = after == '' and high or '(' .. after
    places = call('ZREVRANGEBYLEX', prefix .. 'find', top, low, 'LIMIT', 0, most_of_it)
    for i, member in ipairs(places) do terms[i], ids[i] = string.match(member, '^(.*)%z(.-)$') end
  else
    local key = line(type, state)
    if not rank then
      local score, id = string.match(after, '^(%S+) (%S+)$')
      if score then
        rank = call('ZCARD', key) - before(key, tonumber(score), id)
      else
        rank = high == '+inf' and 0 or call('ZCOUNT', key, '(' .. high, '+inf')
      end
    end
    local found = call('ZREVRANGE', key, rank, rank + most_of_it - 1, 'WITHSCORES')
    rank = rank + #found / 2
    local lowest = low == '-inf' and -math.huge or tonumber(low)
    for i = 1, #found, 2 do
      if tonumber(found[i + 1]) < lowest then break end
      local n = #ids + 1
      ids[n], scores[n], places[n] = found[i], found[i + 1], found[i + 1] .. ' ' .. found[i]
    end
  end
  return ids, scores, terms, places
end

local looked, told, more, read = 0, 0, 0, 0
local answer = {0, 0, 0, after}
local needs_terms = source == 'terms' or #words > 0
while more == 0 do
  local most_of_it = math.min(AT_ONCE, looks - looked)
  local ids, scores, terms_of, places = slice(most_of_it)
  if #ids == 0 then break end
  local stored = needs_terms and call('HMGET', prefix .. 'terms', unpack(ids)) or {}
  for i, id in ipairs(ids) do
    local terms, record = stored[i], nil
    local of_type, at_state, score = type, state, scores[i]
    looked = looked + 1
    if source ~= 'line' then
      of_type = terms and string.match(terms, '^[^\n]*')
      if not of_type then
        record = call('HGET', prefix .. 'job', id)
        if record then of_type = select(2, header(record)) end
      end
      at_state = nil
      if of_type and of_wanted_type(of_type) then at_state, score = state_of(id, of_type) end
    elseif string.sub(id, 1, 1) == '_' then
      at_state = nil -- the long member that is no job
    end
    local fits = at_state and tonumber((string.sub(id, 2))) <= id_most
    if fits and at_state == COMPLETED and terms then
      terms = string.match(terms, '^(.-\n)\n') or terms -- what it failed with before is not its error any more
    end
    fits = fits and not told_elsewhere(id, terms_of[i], terms) and holds_words(id, of_type, terms)
    if fits and by_end then
      fits = ENDED[at_state] and tonumber(score) >= first_ended and tonumber(score) <= last_ended
    end
    if fits and (by_priority or by_age or wants == 'jobs') then
      record = record or call('HGET', prefix .. 'job', id)
      local created, priority = string.match(record or '', '^(%d+)\t(%-?%d+)\t')
      fits = record
        and tonumber(priority) >= least_priority and tonumber(priority) <= most_priority
        and tonumber(created) >= first_created and tonumber(created) <= last_created
      read = read + (record and #record or 0)
    end
    if fits and told == most then
      more = 1
      break
    end
    if fits then
      told = told + 1
      if wants == 'jobs' then
        answer[#answer + 1] = places[i]
        describe(answer, id, at_state, score, record)
        read = read + #(answer[#answer - 1] or '')
      elseif wants == 'ids' then
        answer[#answer + 1] = id
      end
    end
    answer[4] = places[i]
    if read > bytes or looked >= looks then
      more = 1
      break
    end
  end
  after = answer[4]
  if #ids < most_of_it then break end
end
answer[1], answer[2], answer[3] = more, looked, told
return answer
