-- Tells all processes of a tombstone, by a stream that they read; what is past goes from it.
--
-- KEYS: the stream. ARGV: the tombstone's end in ms, 'tenant' or 'user', and which.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[3], 'until', ARGV[1])
for _ = 1, 10 do
    local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if not first or tonumber(first[2][4]) > now then
        break
    end
    redis.call('XDEL', KEYS[1], first[1])
end
if tonumber(ARGV[1]) - now > redis.call('PTTL', KEYS[1]) then
    redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
return 0
