local call = redis.call
local prefix = KEYS[1]

-- numbers above 2^47 would be written as 1e+14 by tostring
local function whole(number) return string.format('%.0f', number) end
