-- Reads a record. As in keyed.lua, but written out: a function that is made at each call costs as
-- much as what it does, and nothing is called as often as this.
--
-- KEYS: the record, and its fencing token if the caller has one. ARGV: 1 if it counts as used now,
-- the caller's fencing token or ''.
-- Returns {1, record, ms of its last use}, nil if there is none, {-1} if the token is too small.
if KEYS[2] and ARGV[2] ~= '' and tonumber(ARGV[2]) < tonumber(redis.call('GET', KEYS[2]) or 0) then
    return {-1}
end
local record = redis.call('GET', KEYS[1])
if not record then
    return nil
end
if #record < 53 or string.byte(record) ~= 1 then
    return {1, record, 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used, idle, absolute = struct.unpack('>I8I8I8', record, 26)
if ARGV[1] == '0' then
    return {1, record, math.max(used, now + redis.call('PTTL', KEYS[1]) + 1 - idle)}
end
if absolute == 0 or now + idle < absolute then
    redis.call('PEXPIREAT', KEYS[1], now + idle - 1)
elseif used ~= now then
    if absolute - 1 > now then
        redis.call('PEXPIREAT', KEYS[1], absolute - 1)
    end
    redis.call('SETRANGE', KEYS[1], 25, struct.pack('>I8', now))
end
return {1, record, now}
