-- Reads a record.
--
-- KEYS: the record, and its fencing token if there can be one. ARGV: 1 if it counts as used now, the
-- caller's fencing token or ''.
-- Returns {1, record, ms of its last use}, nil if there is none, {-1} if the token is too small.
if KEYS[2] and overtaken(KEYS[2], ARGV[2]) then
    return {-1}
end
local record = redis.call('GET', KEYS[1])
if not record then
    return nil
end
if not readable(record) then
    return {1, record, 0}
end
local now = clock()
local it = {}
it.used, it.idle, it.absolute = struct.unpack('>I8I8I8', record, USED + 1)
if ARGV[1] == '0' then
    return {1, record, last_use(it, now, KEYS[1])}
end
local at = now + it.idle
if it.absolute == 0 or at < it.absolute then
    redis.call('PEXPIREAT', KEYS[1], at - 1)
elseif it.used ~= now then
    if it.absolute - 1 > now then
        redis.call('PEXPIREAT', KEYS[1], it.absolute - 1)
    end
    redis.call('SETRANGE', KEYS[1], USED, struct.pack('>I8', now))
end
return {1, record, now}
