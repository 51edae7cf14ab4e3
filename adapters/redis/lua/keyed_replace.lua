-- Replaces a record that stands at a revision.
--
-- KEYS: the record, and its fencing token if there can be one, and its note if it is tracked. ARGV:
-- the revision, the owner or '' if any will do, the idle expiry in ms, the content; the caller's
-- fencing token or '', and for how many ms it is kept after the record.
-- Returns {1, header, ms of its last use} if it was replaced; {0, record, ms of its last use} if it
-- stands at another revision; {-2} if it has another owner; {-1} if the token is too small; or nil
-- if there is none.
if KEYS[2] and overtaken(KEYS[2], ARGV[5]) then
    return {-1}
end
local record = redis.call('GET', KEYS[1])
if not record then
    return nil
end
local now, it = clock(), parsed(record)
if not it then
    return {0, record, 0}
end
if it.revision ~= tonumber(ARGV[1]) then
    return {0, record, last_use(it, now, KEYS[1])}
end
if ARGV[2] ~= '' and it.owner ~= ARGV[2] then
    return {-2}
end
it.revision, it.updated = it.revision + 1, now
it.idle, it.content = tonumber(ARGV[3]), ARGV[4]
local head = put(KEYS[1], it, now)
if KEYS[2] then
    remember(KEYS[2], ARGV[5], due(it, now) + ARGV[6])
end
if KEYS[3] then
    -- As in execution_note.lua, but written out: functions that are made at each call cost as much.
    local note = string.format('%.0f:%.0f:0', tonumber(it.owner) or it.created, it.revision)
    redis.call('SET', KEYS[3], note, 'PX', 7862400000)
end
return {1, head, now}
