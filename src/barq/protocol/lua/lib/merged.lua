-- Several lines as one, the highest score first and of equal scores the highest id. Each is read a stretch at a time, and the
-- highest of what comes next in each is next. Jobs whose id is not wanted are passed over while they are read, which costs a
-- tenth of looking at one; in waiting lines, where the ids of a priority are in order, they are jumped over.
local function member(number)
  local digits = whole(number)
  return string.char(96 + #digits) .. digits
end

-- a line from behind a place on ('' = its beginning), between two scores
local function open_line(of_type, of_state, after, low, high)
  local key = line(of_type, of_state)
  local rank = 0
  local score, id = string.match(after, '^(%S+) (%S+)$')
  if score then
    rank = call('ZCARD', key) - before(key, tonumber(score), id)
  elseif high < math.huge then
    rank = call('ZCOUNT', key, '(' .. whole(high), '+inf')
  end
  return {key = key, type = of_type, state = of_state, low = low, rank = rank, at = 1, ids = {}, scores = {}, passed = nil}
end

-- where a waiting line goes on when a stretch of it ends with an id that is not wanted
local function jump(one, score, number, id_least, id_most)
  local key = one.key
  if number and number < id_least then
    one.rank = call('ZCOUNT', key, score, '+inf')
  elseif number and number > id_most then
    one.rank = call('ZCARD', key) - before(key, tonumber(score), member(id_most + 1))
  end
end

-- The next stretch, of which `sift(one, ids, scores)` says what is wanted. When its last job is not, that stays in it as
-- `passed`, so that the place moves on. Returns how many were passed over without a look.
local function read_on(one, most, id_least, id_most, sift)
  local key, last = one.key, nil
  local found = call('ZREVRANGE', key, one.rank, one.rank + most - 1, 'WITHSCORES')
  local ids, scores, read = {}, {}, 0
  one.rank, one.over, one.at, one.passed = one.rank + #found / 2, #found < 2 * most, 1, nil
  for i = 1, #found, 2 do
    local id, score = found[i], found[i + 1]
    if tonumber(score) < one.low then
      one.over = true
      break
    end
    read = read + 1
    last = tonumber((string.sub(id, 2))) -- the long member that is no job has none
    if last and last >= id_least and last <= id_most then
      ids[#ids + 1], scores[#scores + 1] = id, score
    end
  end
  local passed = read - #ids
  one.ids, one.scores = sift(one, ids, scores)
  local id, score = found[#found - 1], found[#found]
  if id and not one.over and one.ids[#one.ids] ~= id then
    one.ids[#one.ids + 1], one.scores[#one.scores + 1], one.passed = id, score, id
    if one.state == WAITING then jump(one, score, last, id_least, id_most) end
  end
  return passed
end

-- the line whose next job is the highest, nil at the end of all; and how many were passed over meanwhile
local function highest(lines, stretch, id_least, id_most, sift)
  local best, best_score, best_id, passed = nil, nil, nil, 0
  for _, one in ipairs(lines) do
    if one.at > #one.ids and not one.over then passed = passed + read_on(one, stretch, id_least, id_most, sift) end
    local id, score = one.ids[one.at], tonumber(one.scores[one.at])
    if id and (not best or score > best_score or (score == best_score and id > best_id)) then
      best, best_score, best_id = one, score, id
    end
  end
  return best, passed
end
