-- How many stand in a line before a place, in its order; found by halving, as the job of the place may have moved.
local function before(key, place_score, place_id)
  local low, high = 0, call('ZCARD', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local at = call('ZRANGE', key, middle, middle, 'WITHSCORES')
    local at_score = tonumber(at[2])
    if at_score < place_score or (at_score == place_score and at[1] < place_id) then low = middle + 1 else high = middle end
  end
  return low
end
