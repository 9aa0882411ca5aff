-- pause: no job of a type (or, with type '', of the queue) is handed out until it is resumed. Running ones go on.
-- args: again now name type by reason
-- returns: 1 when it was not paused before
-- flags: allow-oom
-- uses: clock lines settings once
local before = answered_before()
if before then return before end
local text = call('HGET', prefix .. 'types', type)
local settings = text and text ~= '' and cjson.decode(text) or {}
local fresh = settings.paused == nil
settings.paused = {by = by, reason = reason, at = time_ms(now)}
if not text and type ~= '' then keep_large(type) end
call('HSET', prefix .. 'types', type, cjson.encode(settings))
return answered(fresh and 1 or 0)
