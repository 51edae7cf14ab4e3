-- Reads all that there is of an execution state that is tracked.
--
-- KEYS: the record, its fencing token, its note, its grave, the mark of what was erased.
-- Returns {ms of now, record, note, fencing token, ms until when that is remembered, 1 or 2 if there
-- is a grave or mark}; what there isn't is nil.
local now = clock()
local left = redis.call('PTTL', KEYS[2])
return {
    now, redis.call('GET', KEYS[1]), redis.call('GET', KEYS[3]), redis.call('GET', KEYS[2]),
    now + left + 1, redis.call('EXISTS', KEYS[4], KEYS[5]),
}
