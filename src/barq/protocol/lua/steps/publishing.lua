-- Publishing: what was told becomes one entry of the stream, and of the inbox of each watcher. Expects events_keep.
if told_count > 2 then
  local number = whole(call('INCR', prefix .. 'eventseq'))
  call('XADD', prefix .. 'events', 'MAXLEN', '~', events_keep, number .. '-0', unpack(told))

  if not unwatched and call('EXISTS', prefix .. 'watch') == 1 then
    local INBOX_KEEPS, INBOX_LIVES_MS = 10000, 300000
    local ENDING = {complete = true, failed = true, cancel = true, remove = true}
    local all, letters, done, at = {}, {}, {}, 0
    for _, entry in ipairs(happened) do
      for _, id in ipairs(entry[3]) do all[#all + 1] = id end
    end
    local watchers = call('HMGET', prefix .. 'watch', unpack(all))
    for _, entry in ipairs(happened) do
      local event, type, ids, details = entry[1], entry[2], entry[3], entry[4]
      for i, id in ipairs(ids) do
        at = at + 1
        if watchers[at] then
          for until_ms, inbox in string.gmatch(watchers[at], '(%d+):(%S+)') do
            if tonumber(until_ms) > t then
              local letter = bucket(letters, inbox)
              letter[#letter + 1] = event
              letter[#letter + 1] = type .. '\t' .. id .. '\t' .. (details and details[i] or '')
            end
          end
          if ENDING[event] then done[#done + 1] = id end
        end
      end
    end
    for inbox, letter in pairs(letters) do
      local key = prefix .. 'inbox:' .. inbox
      call('XADD', key, 'MAXLEN', '~', INBOX_KEEPS, '*', 't', time, unpack(letter))
      call('PEXPIRE', key, INBOX_LIVES_MS)
    end
    if #done > 0 then call('HDEL', prefix .. 'watch', unpack(done)) end
  end
end
