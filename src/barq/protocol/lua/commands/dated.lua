-- dated: between which ids the first job made at a time or later is, for ids grow with the time. Found by halving.
-- Where jobs are forgotten it looks elsewhere in what is left, and in the end leaves it at that.
-- args: now
-- each: ago
-- ago: ms before now
-- returns: the last id, then for each time the greatest id known to be made before and the least known to be made at it or later
-- flags: no-writes
-- uses: clock
local NEIGHBOURS, MOST_STEPS = 16, 64
local TRIES = {0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875, 0.03, 0.97}
local last = tonumber(call('GET', prefix .. 'seq') or 0)

-- an id of a job between two others, at or close behind some part of the way, and when it was made
local function one_between(low, high)
  for _, part in ipairs(TRIES) do
    local from = low + math.max(1, math.floor((high - low) * part))
    for number = from, math.min(from + NEIGHBOURS, high) - 1 do
      local digits = whole(number)
      local record = call('HGET', prefix .. 'job', string.char(96 + #digits) .. digits)
      if record then return number, tonumber((string.match(record, '^%d+'))) end
    end
  end
end

local answer = {last}
for i, ago in each() do
  local moment = t - tonumber(ago)
  local low, high = 0, last + 1
  for _ = 1, MOST_STEPS do
    if low + 1 >= high then break end
    local number, created = one_between(low, high)
    if not number then break end
    if created < moment then low = number else high = number end
  end
  answer[2 * i], answer[2 * i + 1] = low, high
end
return answer
