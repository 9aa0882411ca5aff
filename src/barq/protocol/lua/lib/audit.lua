-- The log of acts of people, a capped stream numbered without holes. Expects `by`, who it is: '' is not written down.
local AUDIT_KEEPS = 10000

-- before and after are JSON; more is what else there is to tell, names and values by turns
local function write_down(act, target, before, after, count, more)
  if by == '' then return end
  local last = call('XREVRANGE', prefix .. 'audit', '+', '-', 'COUNT', 1)[1]
  local number = last and string.match(last[1], '^%d+') + 1 or 1
  call('XADD', prefix .. 'audit', 'MAXLEN', '~', AUDIT_KEEPS, whole(number) .. '-0', 't', time, 'by', by, 'act', act,
    'target', target, 'before', before, 'after', after, 'count', whole(count), unpack(more or {}))
end
