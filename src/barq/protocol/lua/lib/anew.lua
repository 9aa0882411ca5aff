-- A finished job begins anew, with all its attempts; how it had failed is kept by the step `remembering`.
local tried

local function begin_anew(id, state)
  local ended = call('HGET', prefix .. 'end', id)
  local attempt = ended and string.match(ended, '^%d+ (%d+)') or '0'
  call('HSET', prefix .. 'run', id, attempt .. ' 0 0')
  call('HDEL', prefix .. 'note', id)
  if state == FAILED and ended then
    tried = tried or {}
    tried[#tried + 1] = id
    tried[#tried + 1] = ended
  end
  if state == COMPLETED then forget_error(id) end -- that of an attempt before it completed, see lib/terms.lua
end
