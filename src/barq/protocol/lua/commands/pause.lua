-- pause: no job of a type (or, with type '', of the queue) is handed out until it is resumed, or its time is over. Running
-- ones go on.
-- args: again now name type by reason lasts_ms
-- returns: 1 when it was not paused before
-- flags: allow-oom
-- uses: clock lines settings once audit
local before = answered_before()
if before then return before end
local text = call('HGET', prefix .. 'types', type)
local settings = text and text ~= '' and cjson.decode(text) or {}
local fresh = not paused_until(text, t)
local was = fresh and 'null' or cjson.encode(settings.paused)
settings.paused = {by = by, reason = reason, at = t, ['until'] = lasts_ms ~= '' and t + lasts_ms or nil}
if not text and type ~= '' then keep_large(type) end
call('HSET', prefix .. 'types', type, cjson.encode(settings))
write_down('pause', type == '' and 'queue' or 'type ' .. type, was, cjson.encode(settings.paused), 1)
return answered(fresh and 1 or 0)
