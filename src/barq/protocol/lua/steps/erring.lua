-- Erring: the last errors of jobs go into the search index: their type, place, and the first words of their message. Expects
-- type, erred_ids, and errors, a list as long. words.py makes the same words of the same text; lib/terms.lua tells of the keys.
do
  local MOST_WORDS, LONGEST_WORD, AT_ONCE = 12, 64, 4000
  local FIELDS, KEYS_OF_ERROR = {'error', 'place', 'message'}, {'type', 'place', 'message'}
  local stored = call('HMGET', prefix .. 'terms', unpack(erred_ids))
  local terms_of, kept, gone, new = {}, {}, {}, {}
  for i, id in ipairs(erred_ids) do
    local brief = string.match(errors[i], '^[^\n]*')
    local failed = terms_of[brief]
    if not failed then
      local is_json, told = false, nil
      if string.sub(brief, 1, 1) == '{' then is_json, told = pcall(cjson.decode, brief) end
      failed = '\n'
      for f, field in ipairs(FIELDS) do
        local text = is_json and told[KEYS_OF_ERROR[f]]
        local seen, count = {}, 0
        for word in string.gmatch(text and string.lower((string.gsub(tostring(text), '%c', ' '))) or '', '%S+') do
          word = string.match(string.sub(word, 1, LONGEST_WORD), '^%p*(.-)%p*$')
          if word ~= '' and not seen[word] and count < MOST_WORDS then
            seen[word], count = true, count + 1
            failed = failed .. word .. '\0' .. field .. '\n'
          end
        end
      end
      terms_of[brief] = failed
    end
    local asked, before = type .. '\n', '\n'
    if stored[i] then
      asked, before = string.match(stored[i], '^(.-\n)(\n.*)$')
      asked, before = asked or stored[i], before or '\n'
    end
    if failed ~= before then
      for term in string.gmatch(before, '\n([^\n]+)') do gone[#gone + 1] = term .. '\0' .. id end
      for term in string.gmatch(failed, '\n([^\n]+)') do
        new[#new + 1] = 0
        new[#new + 1] = term .. '\0' .. id
      end
      kept[#kept + 1] = id
      kept[#kept + 1] = asked .. failed
    end
  end
  for from = 1, #gone, AT_ONCE do call('ZREM', prefix .. 'find', unpack(gone, from, math.min(from + AT_ONCE - 1, #gone))) end
  for from = 1, #new, AT_ONCE do call('ZADD', prefix .. 'find', unpack(new, from, math.min(from + AT_ONCE - 1, #new))) end
  if #kept > 0 then call('HSET', prefix .. 'terms', unpack(kept)) end
end
