-- pause: no job of a type (or, with type '', of the queue) is handed out until it is resumed. Running ones go on.
-- args: again now type by reason
-- returns: 1 when it was not paused before
-- flags: allow-oom
-- uses: clock lines settings
local text = call('HGET', prefix .. 'types', type)
local settings = text and text ~= '' and cjson.decode(text) or {}
local fresh = settings.paused == nil
settings.paused = {by = by, reason = reason, at = time_ms(now)}
if not text and type ~= '' then call('ZADD', line(type, ACTIVE), '+inf', string.rep('_', 65)) end
call('HSET', prefix .. 'types', type, cjson.encode(settings))
return fresh and 1 or 0
