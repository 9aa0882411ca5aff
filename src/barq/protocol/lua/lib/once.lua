-- Acts that people ask for carry a name: an act that comes again, because its answer was lost, gets the answer it had and
-- does nothing, also when its jobs have gone on meanwhile. Nothing but a small write: what a WAIT behind it is to cover.
local ANSWER_LIVES_MS = 600000

local function answered_before()
  local answer = call('GET', prefix .. 'once:' .. name)
  if not answer then return end
  call('PEXPIRE', prefix .. 'once:' .. name, ANSWER_LIVES_MS)
  return cjson.decode(answer)
end

local function answered(answer)
  call('SET', prefix .. 'once:' .. name, cjson.encode(answer), 'PX', ANSWER_LIVES_MS)
  return answer
end
