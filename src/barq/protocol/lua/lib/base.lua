local call = redis.call
local prefix = KEYS[1]

-- numbers above 2^47 would be written as 1e+14 by tostring
local format = string.format
local function whole(number) return format('%d', number) end
