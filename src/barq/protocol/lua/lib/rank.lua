-- How many stand in a line before a place, in its order; the job of the place may have moved. Found by halving what has its score.
local function before(key, place_score, place_id)
  local score = string.format('%.17g', place_score)
  local low = call('ZCOUNT', key, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if call('ZRANGE', key, middle, middle)[1] < place_id then low = middle + 1 else high = middle end
  end
  return low
end
