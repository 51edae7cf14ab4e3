-- What scripts on sessions begin with, too.

-- Lists an id until its session expires at the latest, and the list until its last one does.
local function list(key, id, absolute, now)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    redis.call('ZADD', key, absolute, id)
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
    if last - 1 > now then
        redis.call('PEXPIREAT', key, last - 1)
    end
end
