-- Stores an execution state as it was, unless it has expired or it is known what became of one.
--
-- KEYS: the record, its note, its grave, the mark of what was erased. ARGV: the life, 1 if it is to
-- be noted, the revision, ms of creation and last update, the idle expiry in ms, the content.
-- Returns 1, 0 if there is one or was, -1 if it has expired, -2 if it was erased.
if redis.call('EXISTS', KEYS[4]) == 1 then
    return -2
end
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then
    return 0
end
local now = clock()
local at = ARGV[5] + ARGV[6] - 1
if at < now then
    return -1
end
local it = {
    revision = tonumber(ARGV[3]), created = tonumber(ARGV[4]), updated = tonumber(ARGV[5]),
    used = tonumber(ARGV[5]), idle = tonumber(ARGV[6]), absolute = 0, owner = ARGV[1],
}
redis.call('SET', KEYS[1], header(it) .. it.owner .. ARGV[7], 'PXAT', math.max(at, now + 1))
if ARGV[2] == '1' then
    note(KEYS[2], tonumber(ARGV[1]), it.revision, 0)
end
return 1
