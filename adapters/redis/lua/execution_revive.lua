-- Stores a record as it was, unless it has expired, there is one, or it is known what became of it.
--
-- KEYS: the record, its fencing token, its note, its grave, the mark of what was erased. ARGV: the fencing token or '', and until
-- when it is remembered, in ms; the life; and, but for a token alone: the revision, ms of creation
-- and last update, the idle expiry in ms, the content.
if redis.call('EXISTS', KEYS[5]) == 1 then
    return 0
end
local now = clock()
if ARGV[1] ~= '' and ARGV[2] - 1 > now then
    if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[2]) or -1) then
        redis.call('SET', KEYS[2], ARGV[1], 'PXAT', ARGV[2] - 1)
    end
end
if not ARGV[4] then
    return 0
end
local revision, life = tonumber(ARGV[4]), tonumber(ARGV[3])
local record = redis.call('GET', KEYS[1])
if record then
    lift(KEYS[1], KEYS[3], parsed(record), life, revision)
    return 0
end
local at = ARGV[6] + ARGV[7] - 1
if at <= now or redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then
    return 0
end
local it = {
    revision = revision, created = tonumber(ARGV[5]), updated = tonumber(ARGV[6]),
    used = tonumber(ARGV[6]), idle = tonumber(ARGV[7]), absolute = 0, owner = ARGV[3],
}
redis.call('SET', KEYS[1], header(it) .. it.owner .. ARGV[8], 'PXAT', at)
return 1
